"""Files: JSON lines and CSV through the one decoder, and what people are told where a file cannot be read."""

import csv
import gzip
import io
import json
import math
import sys

import pytest

from daemon.codec import Format, compile_decoder
from daemon.errors import OperatingError, UsageError
from daemon.files import read_batches
from daemon.presets import preset
from estimators.pairs import NULL_LOG_PROB
from tests.daemon.codec_cases import messages, reasons

GOOD = {"logp": -0.5, "logq": -0.25, "ts": 5, "model": "a"}
CANONICAL = Format(label_names=("model",))


@pytest.fixture
def write(tmp_path):
    """Write a file of the given name, packed where the name ends in .gz."""

    def write(name, content):
        data = content.encode() if isinstance(content, str) else content
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


def lines(*records):
    """JSON lines."""
    return "".join(json.dumps(record) + "\n" for record in records)


def rows(header, *cells):
    """CSV as Python writes it."""
    text = io.StringIO()
    csv.writer(text).writerows([header, *cells])
    return text.getvalue()


def read(path, fmt=CANONICAL):
    """Messages and rejects of a whole file."""
    decoder = compile_decoder(fmt)
    found, rejected = [], {}
    for batch in read_batches(path, fmt):
        decoded = decoder.decode(batch)
        found += messages(decoded)
        for reason, count in reasons(decoded).items():
            rejected[reason] = rejected.get(reason, 0) + count
    return found, rejected


def told(path):
    """Records of a whole file as they come to the decoder."""
    return [json.loads(value) for batch in read_batches(path, CANONICAL) for value in batch.values]


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.jsonl.gz", "pairs.json", "pairs", "pairs.log.gz"])
def test_json_lines_are_records_numbered_by_line(write, name):
    content = "\n" + lines(GOOD) + "  \n" + lines({"logp": "x"}, GOOD | {"model": "b"}).replace("\n", "\r\n")
    found, rejected = read(write(name, content))
    assert found == [(1, ("a",), 5_000_000, ((-0.5, -0.25, 1),)), (4, ("b",), 5_000_000, ((-0.5, -0.25, 1),))]
    assert rejected == {"schema": 1}


def test_the_last_line_needs_no_end_and_a_byte_order_mark_is_no_content(write):
    assert len(read(write("a.jsonl", "\ufeff" + lines(GOOD, GOOD)[:-1]))[0]) == 2


def test_records_of_files_have_no_time_of_arrival(write):
    (batch,) = read_batches(write("a.jsonl", lines(GOOD, {"logp": -1, "logq": -1})), CANONICAL)
    assert batch.timestamps_ms.tolist() == [-1, -1]
    assert batch.offsets.tolist() == [0, 1]
    assert batch.partition.number == 0
    decoded = compile_decoder(CANONICAL).decode(batch)
    assert (decoded.without_time, reasons(decoded)) == (1, {"timestamp": 1})
    assert decoded.pairs.append_time_us.tolist() == decoded.pairs.event_time_us.tolist() == [5_000_000]


def test_a_line_that_is_too_long_is_one_reject_and_costs_no_memory(write):
    fmt = Format(max_record_bytes=100, label_names=("model",))
    path = write("a.jsonl", lines(GOOD, GOOD | {"pad": "x" * 1_000_000}, GOOD))
    found, rejected = read(path, fmt)
    assert ([offset for offset, *_ in found], rejected) == ([0, 2], {"size": 1})
    assert max(len(value) for batch in read_batches(path, fmt) for value in batch.values) <= 102
    exact = lines(GOOD | {"pad": ""})
    padded = lines(GOOD | {"pad": "x" * (101 - len(exact))})
    assert len(padded) == 101  # 100 bytes and the end of the line
    assert read(write("b.jsonl", padded.replace("\n", "\r\n") + padded), fmt)[1] == {}
    assert read(write("c.jsonl", lines(GOOD | {"pad": "x" * (102 - len(exact))})), fmt)[1] == {"size": 1}


def test_long_files_come_in_batches_and_nothing_is_lost_between_them(write):
    path = write("a.jsonl.gz", lines(*(GOOD | {"ts": index} for index in range(4500))))
    batches = list(read_batches(path, CANONICAL))
    assert [len(batch) for batch in batches] == [2000, 2000, 500]
    assert [at for _, _, at, _ in read(path)[0]] == [index * 1_000_000 for index in range(4500)]
    big = write("b.jsonl", lines(*(GOOD | {"pad": "x" * 900_000} for _ in range(12))))
    assert all(sum(map(len, batch.values)) < 6_000_000 for batch in read_batches(big, CANONICAL))


def test_progress_is_told_in_bytes_of_the_file_itself(write):
    path = write("a.jsonl.gz", lines(*(GOOD | {"ts": index} for index in range(4500))))
    seen = []
    assert sum(len(batch) for batch in read_batches(path, CANONICAL, progress=seen.append)) == 4500
    assert len(seen) == 3
    assert seen == sorted(seen)
    assert seen[-1] == path.stat().st_size


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("content", [lines(GOOD, GOOD), rows(GOOD, GOOD.values(), GOOD.values())])
def test_standard_input_is_read_as_what_it_holds(monkeypatch, pack, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pack(content.encode()))))
    found, rejected = read("-")
    assert [message[1:] for message in found] == [(("a",), 5_000_000, ((-0.5, -0.25, 1),))] * 2
    assert rejected == {}


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.csv.gz", "pairs"])
def test_csv_rows_are_records_numbered_after_the_header(write, name):
    content = rows(("model", "logq", "extra", "logp", "ts"), ("a", -0.25, "x", -0.5, 5), (7, "-1e-3", "", "-2", 5.5))
    assert read(write(name, content)) == (
        [(0, ("a",), 5_000_000, ((-0.5, -0.25, 1),)), (1, ("7",), 5_500_000, ((-2.0, -0.001, 1),))],
        {},
    )


def test_csv_numbers_are_the_same_doubles_as_in_json(write):
    texts = ["0.1", "-1.7976931348623157e308", "5e-324", "-0.30000000000000004", "1e-7", "-2", "123456789012345678"]
    path = write("a.csv", rows(("logp", "logq"), *((text, text) for text in texts)))
    found, _ = read(path, Format(require_time=False))
    assert [pairs[0][0] for *_, pairs in found] == [json.loads(text) * 1.0 for text in texts]


@pytest.mark.parametrize(("cell", "value"), [("+1", 1), (".5", 0.5), ("-1.", -1), (" -1.5 ", -1.5), ("007", 7)])
def test_csv_numbers_may_be_written_in_further_ways(write, cell, value):
    ((*_, pairs),), _ = read(write("a.csv", rows(("logp", "logq"), (cell, 0))), Format(require_time=False))
    assert pairs == ((value, 0, 1),)


@pytest.mark.parametrize(
    "cell", ["abc", "1_000", "0x10", "1e999", "inf", "-inf", "1;2", '1,"x":2', "[1]", "true", "null"]
)
def test_csv_text_where_a_number_belongs_is_rejected(write, cell):
    assert read(write("a.csv", rows(("logp", "logq"), (cell, 0))), Format(require_time=False)) == ([], {"schema": 1})


def test_an_empty_csv_cell_is_null_for_a_side_and_absent_for_anything_else(write):
    header = ("logp", "logq", "ts", "weight", "mask", "model", "sampled_from")
    path = write("a.csv", rows(header, ("", -1, "", "", "", "", ""), ("nan", -1, 3, 2, "True", "m", "q")))
    found, rejected = read(path, Format(label_names=("model",), require_time=False))
    assert found == [
        (0, ("unknown",), 0, ((NULL_LOG_PROB, -1, 1),)),
        (1, ("m",), 3_000_000, ((NULL_LOG_PROB, -1, 2),)),
    ]
    assert rejected == {}


def test_csv_masks_samplers_and_times_mean_what_they_mean_in_json(write):
    header = ("p", "q", "ts", "mask", "sampled_from")
    cells = [
        (1, 1, "2019-11-24 00:00:17.004101+00:00", 1, "q"),
        (1, 1, "1700000000123", "false", ""),
        (1, 1, "soon", 1, ""),
        (1, 1, 5, 1, "p"),
        (1, 1, -5, 1, ""),
        (0, 1, 5, "2", ""),
    ]
    found, rejected = read(write("a.csv", rows(header, *cells)), Format())
    assert found == [(0, (), 1_574_553_617_004_101, ((0, 0, 1),))]
    assert rejected == {"empty": 1, "timestamp": 2, "sampler_mismatch": 1, "schema": 1}


def test_csv_labels_stay_the_text_that_they_are(write):
    path = write("a.csv", rows(("logp", "logq", "ts", "model"), *((-1, -1, 5, text) for text in ("7", "7.0", "true"))))
    assert [key for _, key, _, _ in read(path)[0]] == [("7",), ("7.0",), ("true",)]


def test_csv_columns_may_be_named_by_a_path(write):
    fmt = Format(
        paths={"log_p": "a.lp", "log_q": "a.lq", "time": "when\\.at"},
        label_names=("region", "zone"),
        label_paths={"zone": "place.zone"},
        where={"meta.kind": (2,)},
    )
    header = ("a.lp", "a.lq", "when.at", "labels.region", "place.zone", "meta.kind")
    path = write("a.csv", rows(header, (-1, -2, 5, "eu", "b", 2), (-1, -2, 5, "eu", "b", 3)))
    assert read(path, fmt) == ([(0, ("eu", "b"), 5_000_000, ((-1, -2, 1),))], {})


def test_ragged_and_empty_rows_are_no_records(write):
    content = "logp,logq\n-1,-2\n\n-1\n-1,-2,-3\n-3,-4\n"
    found, rejected = read(write("a.csv", content), Format(require_time=False))
    assert [(offset, pairs) for offset, _, _, pairs in found] == [(0, ((-1, -2, 1),)), (4, ((-3, -4, 1),))]
    assert rejected == {"schema": 2}


def test_quoted_cells_cannot_become_fields(write):
    cell = '-1,"model":"evil"'
    path = write("a.csv", rows(("logp", "logq", "ts", "model"), (cell, -1, 5, "good"), (-1, -1, 5, '"},{"x":"')))
    assert read(path) == ([], {"schema": 1, "label": 1})


@pytest.mark.parametrize(
    ("name", "content", "error", "text"),
    [
        ("a.jsonl", "", OperatingError, "holds no record"),
        ("a.jsonl", "\n \n", OperatingError, "holds no record"),
        ("a.csv", "", OperatingError, "holds no record"),
        ("a.csv", "logp,logq\n", OperatingError, "holds no record"),
        ("a.csv.gz", "", OperatingError, "holds no record"),
        ("a.json", '[{"logp": -1}]', UsageError, "starts with an array; write one record a line"),
        ("a.csv", "time,price\n1,2\n", UsageError, "or `p` and `q`; its header has time, price"),
        ("a.csv", "logp,logq,logp\n1,2,3\n", UsageError, "has the column `logp` twice"),
        ("a.csv", b"logp,logq\n\xff,2\n", OperatingError, "is not UTF-8"),
        ("a.csv", 'logp,logq\n"1"x,2\n', OperatingError, "is no CSV at line 2"),
        ("a.jsonl", '{"logp": -1}'.encode("utf-16"), UsageError, "is UTF-16; save it as UTF-8"),
        ("a.csv", "logp,logq\n-1,-1\n".encode("utf-16"), UsageError, "is UTF-16; save it as UTF-8"),
        ("a.csv", "\ufefflogp,logq\n-1,-1\n".encode("utf-16-be"), UsageError, "is UTF-16; save it as UTF-8"),
        ("a.jsonl", gzip.compress(gzip.compress(b'{"logp": -1}', mtime=0), mtime=0), UsageError, "is packed twice"),
        ("a.parquet", b"PAR1\x15\x04", UsageError, "is Parquet; write it as JSON lines"),
        ("a.csv", b"PK\x03\x04\x14", UsageError, "is a zip archive"),
        ("a.jsonl.zst", b"\x28\xb5\x2f\xfd\x04", UsageError, "is packed by zstd; unpack it"),
    ],
)  # fmt: skip
def test_a_file_that_is_something_else_is_told_in_words(write, name, content, error, text):
    path = write(name, content)
    with pytest.raises(error, match=text) as told:
        list(read_batches(path, CANONICAL))
    assert str(path) in str(told.value)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt"])
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_cells_may_be_set_apart_by_semicolons_tabs_and_bars(write, name, delimiter):
    text = 'ts,logp,logq,model\n5,-1.5,-2,"a,b"\n'.replace(",", delimiter)
    assert told(write(name, text)) == [{"ts": 5, "logp": -1.5, "logq": -2, "model": f"a{delimiter}b"}]


def test_a_brace_tells_json_lines_whatever_the_name_says(write):
    for name in ("a.csv", "a.tsv", "a.log", "a"):
        assert told(write(name, lines(GOOD, GOOD))) == [GOOD, GOOD]


def test_a_csv_is_told_what_its_preset_needs(write):
    path = write("a.csv", "timestamp,action_prob\n1,2\n")
    with pytest.raises(UsageError, match="does not have the columns `uniform_probability` and `propensity_score`"):
        list(read_batches(path, preset("open-bandit").format))


def test_a_file_that_cannot_be_read_is_told_in_words(tmp_path):
    with pytest.raises(OperatingError, match=r"cannot read .*missing\.jsonl: No such file"):
        next(read_batches(tmp_path / "missing.jsonl", CANONICAL))
    with pytest.raises(OperatingError, match="Is a directory"):
        next(read_batches(tmp_path, CANONICAL))


@pytest.mark.parametrize(
    "damage", [lambda packed: packed[:-20], lambda packed: packed[:40] + b"\0" * 60 + packed[100:]]
)
def test_a_broken_gzip_file_is_told_after_what_could_be_read(tmp_path, damage):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(damage(gzip.compress(lines(*(GOOD | {"ts": index} for index in range(4500))).encode())))
    with pytest.raises(OperatingError, match="broken gzip file"):
        list(read_batches(path, CANONICAL))


def test_a_binary_stream_is_not_read_from_a_file(write):
    with pytest.raises(UsageError, match="msgpack-f32"):
        next(read_batches(write("a.jsonl", lines(GOOD)), Format("msgpack-f32")))


def test_csv_and_json_lines_of_the_same_pairs_are_the_same_messages(write):
    values = [(-math.sqrt(i) / 7, -math.sqrt(i) / 9, i * 0.37, f"m{i % 3}") for i in range(300)]
    names = ("logp", "logq", "ts", "model")
    as_json = write("a.jsonl", lines(*(dict(zip(names, row, strict=True)) for row in values)))
    assert read(as_json) == read(write("a.csv", rows(names, *values)))
