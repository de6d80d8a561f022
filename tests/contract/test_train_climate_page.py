"""The page about training the window model, done as a reader does it."""

from readers import assert_printed, on


@on("how-to/train-climate.md")
def test_train_the_model_that_moves_windows(reader):
    (short,) = [
        line for line in reader.commands("edgeflow train climate") if line.endswith("# short")
    ]
    shorter = (
        short.partition("#")[0].replace("--days 2", "--days 1").replace("1 --rooms", "0.5 --rooms")
    )
    said = reader.run(shorter)
    promised = [line for line in reader.printed("overrides") if "promised" not in line]
    assert_printed([line for line in promised if "took over" not in line], said)
    listing, rollback = reader.commands("edgeflow climate models")
    told = reader.run(listing)
    assert [line[:4] for line in told.splitlines()] == ["  v1", "* v2"]
    assert len(reader.printed("* v2")) == 2
    assert reader.run(rollback).strip() == "v1"
    assert [line[:4] for line in reader.run(listing).splitlines()] == ["* v1", "  v2"]
