"""From settings to the values that the parts take: here, in app and in the commands only, configuration is read."""

from config.durations import microseconds_of
from config.errors import ConfigError
from config.hashing import stream_hash
from config.kafka import KafkaSettings
from config.settings import Settings, changelog_topic
from config.streams import StreamSettings
from config.web_file import TlsServerSettings, load_web_file
from daemon.board import Threshold
from daemon.codec import compile_decoder
from daemon.codec.format import ROLES, Format
from daemon.collect_series import Exports
from daemon.errors import UsageError
from daemon.kafka_changelog import Changelog
from daemon.kafka_oauth import OAuth
from daemon.kafka_options import KafkaOptions
from daemon.kafka_security import Sasl, Security
from daemon.presets import PRESETS
from daemon.restore import ReplayRestore
from daemon.snapshots.chunk_store import ChunkStore
from daemon.snapshots.folder import Folder
from daemon.snapshots.limits import Limits, limits_of
from daemon.snapshots.store import SnapshotStore
from daemon.streams import Stream
from daemon.web.access import Access, Tls
from estimators.selfcheck import resolution_of
from estimators.spec import StreamSpec, WindowSpec
from estimators.validation import Rules


def streams_of(settings: Settings) -> list[Stream]:
    """Compile every configured stream."""
    return [_named(settings, stream) for stream in settings.streams]


def _named(settings: Settings, stream: StreamSettings) -> Stream:
    """Compile a stream; a fault that only its preset and paths together show is told with the stream's name."""
    try:
        return stream_of(settings, stream)
    except UsageError as error:
        raise UsageError(f"stream {stream.name}: {error}") from error


def stream_of(settings: Settings, stream: StreamSettings) -> Stream:
    """Compile one stream; what its settings do not write, its preset says."""
    fmt = format_of(settings, stream)
    resolution = stream.resolution if stream.written("resolution") else PRESETS[stream.preset].resolution
    return Stream(
        name=stream.name,
        topic=stream.topic,
        label_names=fmt.label_names,
        decoder=compile_decoder(fmt),
        spec=spec_of(settings, stream),
        resolution=resolution_of(resolution),
        min_messages=settings.min_messages,
        keyed_by_series=stream.keyed_by_series,
        thresholds=tuple(Threshold(each.severity, each.direction, each.nats) for each in stream.thresholds),
        stream_hash=stream_hash(settings, stream),
    )


def format_of(settings: Settings, stream: StreamSettings) -> Format:
    """Return how the stream's records are written.

    Where the settings name one kind of columns (log-probabilities or probabilities), the preset's other kind is left
    out: a record's `p` must not be read as a probability when the user said that it is something else. So is
    the preset's path of the side that he calls uniform.
    """
    preset = PRESETS[stream.preset]
    asked = {role: path for role in ROLES if (path := getattr(stream.paths, role)) is not None}
    written = {role: path for role, path in asked.items() if path is not False}
    paths = {role: path for role, path in {**preset.format.paths, **asked}.items() if path is not False}
    if "uniform_over" in written:
        other = "p" if stream.sampled_from == "q" else "q"
        paths = {role: path for role, path in paths.items() if role in written or role not in (other, f"log_{other}")}
    if {"log_p", "log_q"} & written.keys() and not {"p", "q"} & written.keys():
        paths = {role: path for role, path in paths.items() if role not in ("p", "q")}
    elif {"p", "q"} & written.keys() and not {"log_p", "log_q"} & written.keys():
        paths = {role: path for role, path in paths.items() if role not in ("log_p", "log_q")}
    # A preset's labels are for those who name it; without a word, a stream is one series.
    from_preset = stream.written("preset") and not stream.written("series_labels")
    labels = preset.format.label_names if from_preset else stream.series_labels
    return Format(
        encoding=stream.format,
        paths=paths,
        label_names=labels,
        label_paths={
            name: path for name, path in {**preset.format.label_paths, **stream.paths.labels}.items() if name in labels
        },
        where=stream.where,
        sampled_from=stream.sampled_from,
        time_unit=stream.time_unit,
        nats_per_unit=stream.nats_per_unit,
        max_record_bytes=settings.max_record_bytes,
        max_pairs_per_record=settings.max_pairs_per_record,
    )


def spec_of(settings: Settings, stream: StreamSettings) -> StreamSpec:
    """Return everything that the stream's window state depends on."""
    return StreamSpec(
        windows=tuple(WindowSpec(label, microseconds_of(length)) for label, length in settings.windows_lengths),
        panes_per_window=settings.panes_per_window,
        burn_in=settings.burn_in,
        max_skew_us=microseconds_of(settings.max_skew),
        expected_delay_us=microseconds_of(stream.expected_delay),
        max_series=settings.max_series_per_partition,
        rules=Rules(
            sampled_from=stream.sampled_from,
            kind=stream.kind,
            sentinel_below=stream.sentinel_below,
            positive_tolerance=stream.positive_tolerance,
            nats_per_unit=stream.nats_per_unit,
        ),
    )


def kafka_options_of(settings: Settings) -> KafkaOptions:
    """Return what the Kafka source is told."""
    kafka = settings.kafka
    return KafkaOptions(
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=kafka.group_id,
        topics=tuple(dict.fromkeys(stream.topic for stream in settings.streams)),
        client_id=kafka.client_id,
        session_timeout_s=kafka.session_timeout.total_seconds(),
        heartbeat_interval_s=kafka.heartbeat_interval.total_seconds(),
        max_poll_interval_s=kafka.max_poll_interval.total_seconds(),
        isolation_level=kafka.isolation_level,
        security=security_of(kafka),
        want_headers=any(format_of(settings, stream).needs_headers for stream in settings.streams),
        want_keys=settings.dead_letter.payload,
        dead_letter_topic=settings.dead_letter.topic,
        changelog_topic=changelog_topic(settings.snapshot, kafka) if settings.snapshot.kind == "changelog" else None,
    )


def security_of(kafka: KafkaSettings) -> Security:
    """Return how to talk to the brokers; the only place where a secret leaves its wrapper."""
    ssl, sasl, oauth = kafka.ssl, kafka.sasl, kafka.sasl.oauth
    tokens = OAuth(
        token_file=str(oauth.token_file) if oauth.token_file else None,
        token_endpoint_url=oauth.token_endpoint_url,
        client_id=oauth.client_id,
        client_secret=oauth.client_secret.get_secret_value() if oauth.client_secret else None,
        scope=oauth.scope,
    )
    return Security(
        protocol=kafka.security_protocol,
        ca_file=str(ssl.ca_file) if ssl.ca_file else None,
        cert_file=str(ssl.cert_file) if ssl.cert_file else None,
        key_file=str(ssl.key_file) if ssl.key_file else None,
        key_password=ssl.key_password.get_secret_value() if ssl.key_password else None,
        sasl=Sasl(
            mechanism=sasl.mechanism,
            username=sasl.username,
            password=sasl.password.get_secret_value() if sasl.password else None,
            oauth=tokens if sasl.mechanism == "OAUTHBEARER" else None,
        )
        if sasl.mechanism is not None
        else None,
    )


def exports_of(settings: Settings) -> Exports:
    """Return which estimates become metrics."""
    return Exports(
        estimators=settings.export.estimators,
        directions=settings.export.directions,
        moments=settings.export.moments,
    )


def replay_of(settings: Settings) -> ReplayRestore:
    """Return where a partition without a snapshot is read from."""
    span = settings.replay_span
    return ReplayRestore(None if span == "auto" else microseconds_of(span))


def snapshot_store_of(settings: Settings, *, read_only: bool = False) -> SnapshotStore | None:
    """Return where snapshots are kept; None for kind `none`. Raises MediumError where a folder cannot be used."""
    snapshot = settings.snapshot
    group = settings.kafka.group_id
    if snapshot.kind == "changelog":
        topic = changelog_topic(snapshot, settings.kafka)
        changelog = Changelog(kafka_options_of(settings), topic, read_only=read_only)
        return ChunkStore(changelog, group, limits=_limits_of(settings))
    if snapshot.path is not None:
        return ChunkStore(Folder(snapshot.path, read_only=read_only), group, limits=_limits_of(settings))
    return None


def _limits_of(settings: Settings) -> Limits:
    return limits_of(spec_of(settings, stream) for stream in settings.streams)


def access_of(settings: Settings) -> Access:
    """Return who may connect and ask, as the web configuration file says at this moment; UsageError if it is wrong."""
    file = settings.web.config_file
    if file is None:
        return Access()
    try:
        found = load_web_file(file)
    except ConfigError as error:
        faults = "".join(f"\n  {problem}" for problem in error.problems)
        raise UsageError(f"the web configuration cannot be used:{faults}") from None
    return Access(
        tls=_tls_of(found.tls_server_config) if found.tls_server_config is not None else None,
        users={name: secret.get_secret_value() for name, secret in found.basic_auth_users.items()},
        # A blank one is not set, as in Prometheus; then ours stays.
        headers={name: text for name, text in found.http_server_config.headers.items() if text}
        if found.http_server_config is not None
        else {},
        file=file,
    )


def _tls_of(written: TlsServerSettings) -> Tls:
    return Tls(
        cert_file=written.cert_file,
        key_file=written.key_file,
        client_ca_file=written.client_ca_file,
        require_client=written.client_auth_type == "RequireAndVerifyClientCert",
        allowed_sans=written.client_allowed_sans or (),
        oldest=written.min_version,
        newest=written.max_version,
        cipher_suites=written.cipher_suites,
        prefer_server_order=written.prefer_server_cipher_suites,
    )
