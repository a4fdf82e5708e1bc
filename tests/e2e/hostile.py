"""Records that cannot be used, for every reason by which a record is rejected."""

import json


def record(**fields):
    """A good record of its own series, changed as told."""
    return json.dumps({"model": "odd", "version": "1", "logp": -1.0, "logq": -1.5} | fields).encode()


def hostile(now_us):
    """Records that are not used at all, by the reason that must count them."""
    return {
        "tombstone": [None],
        "size": [record(pad="x" * 900_000)],
        "syntax": [b"", b"{", b"\xff\xfe", b'{"logp": NaN, "logq": -1}', b"\xef\xbb\xbf{}", record() + b"junk"],
        "depth": [b'{"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}"],
        "schema": [b"[]", b"1", record(logp="-0.5"), record(logp=True), record(logp={"a": 1}), b'{"logp": -1.0}'],
        "length_mismatch": [record(logp=[-1.0, -2.0], logq=[-1.0])],
        "token_mismatch": [record(logp=[-1.0], logq=[-1.0], token_ids_p=[1], token_ids_q=[2])],
        "timestamp": [record(ts="yesterday"), record(ts=-5)],
        "future": [record(ts=now_us + 3_600_000_000)],
        "late": [record(ts=now_us - 30 * 86_400_000_000)],
        "label": [record(model='a"b\\c\n'), record(model="<script>"), record(model="x" * 129), record(model=None)],
        "sampler_mismatch": [record(sampled_from="p")],
        "empty": [
            record(logp=[], logq=[]),
            record(logp=0.5),
            record(logq=None),
            record(logp=[-1.0], logq=[-1.0], mask=[0]),
        ],
    }
