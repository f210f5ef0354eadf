"""Bad bundles, and bad use of good ones: predict, evaluate, compare, transfer.

Each is told in one line that names it, with the right status, and leaves nothing behind.
"""

from __future__ import annotations

import pytest
from workplace import Place, Rows, check_row, evaluate, predict, train


def change(place: Place, assignment: str) -> list[str]:
    return train(place.folder(), "--set", assignment)


def foreign(p: Place) -> list[str]:
    """Make a bundle of other classes."""
    return [p.bundle(), p.bundle(lambda d: d.update(classes=["x", "y"]), name="other")]


def sliced(place: Place, text: str | None, where: str = "s.csv") -> list[str]:
    """Evaluate by the column `site` of a table of this text."""
    if text is not None:
        place.write(where, text)
    return [*evaluate(place.bundle(), place.folder()), "--slices", where, "--by", "site"]


def answers(place: Place, name: str, *paths: str, correct: str = "1") -> str:
    """Write predictions of a class a, all of them right."""
    rows = [f"{path},a,a,0.9,{correct},0.9,0.1" for path in paths]
    return place.write(name, "\n".join(["path,label,predicted,probability,correct,p:a,p:b", *rows]))


def transfer(place: Place, *words: str, classes: str = "ab") -> list[str]:
    return ["transfer", place.bundle(), "--data", place.folder(classes=classes), "--out", "out", *words]


def features(place: Place, *words: str) -> list[str]:
    return ["features", place.bundle(), "--data", place.folder(), *words]


BUNDLES: Rows = {
    "no bundle": (lambda p: predict("gone", p.images("x")), "gone | does not exist | give the folder"),
    "a folder that is no bundle": (lambda p: predict(p.images("x"), "x"), "x | no bundle.json | give the folder"),
    "changed weights": (
        lambda p: [p.bundle(), p.flip("bundle/weights.safetensors")] and predict("bundle", p.images("x")),
        "bundle/weights.safetensors | checksum | copy the bundle again",
    ),
    "missing weights": (
        lambda p: [p.bundle(), p.lose("bundle/weights.safetensors")] and predict("bundle", p.images("x")),
        "bundle/weights.safetensors | missing | copy the bundle again",
    ),
    "edited bundle": (
        lambda p: predict(p.bundle(lambda d: d.update(classes=["x", "y"]), sign=False), p.images("x")),
        "bundle/bundle.json | was modified | copy the bundle again",
    ),
    "bundle of the future": (
        lambda p: predict(p.bundle(lambda d: d.update(format=99)), p.images("x")),
        "bundle/bundle.json | format 99 | reads 1 | version",
    ),
    "bundle that is not JSON": (
        lambda p: [p.bundle(), p.write("bundle/bundle.json", "weights")] and predict("bundle", p.images("x")),
        "bundle/bundle.json | cannot be read | copy the bundle again",
    ),
    "wrong preprocessing": (
        lambda p: predict(p.bundle(lambda d: d["preprocessing"].update(fit="zoom")), p.images("x")),
        "bundle/bundle.json preprocessing fit | 'zoom' | 'crop'",
    ),
    "bundle without classes": (
        lambda p: predict(p.bundle(lambda d: d.pop("classes")), p.images("x")),
        "bundle/bundle.json | no classes | copy the bundle again",
    ),
    "unknown network in a bundle": (
        lambda p: predict(p.bundle(lambda d: d["model"].update(name="net")), p.images("x")),
        "bundle/bundle.json | 'net' | copy the bundle again",
    ),
}

USING: Rows = {
    "classes that a bundle does not know": (
        lambda p: evaluate(p.bundle(), p.folder(classes="abc")),
        "data | unknown to the bundle: c | the bundle's classes: a, b",
    ),
    "no labels": (lambda p: evaluate(p.bundle(), p.images("x")), "x | without labels | convworks predict"),
    "absent split": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--split", "test"],
        "--split | no split 'test' | it has: all",
    ),
    "ensemble of strangers": (
        lambda p: ["evaluate", *foreign(p), "--data", p.folder()],
        "other | different classes from bundle | same classes",
    ),
    "unknown protocol": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--protocol", "center,tencrop"],
        "--protocol | no protocol 'tencrop' | ten-crop, 144-crop, dense",
    ),
    "unknown combination": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--combine", "mean"],
        "--combine | no combination 'mean' | probability, logit, vote",
    ),
    "combination of one": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--combine", "vote"],
        "--combine | combines several bundles, but there is one | leave it out",
    ),
    "evaluate on no device": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--device", "gpu"],
        "--device gpu | cuda:N | auto",
    ),
    "no matching path": (lambda p: predict(p.bundle(), "*.png"), "*.png | matching pattern | check the path"),
    "empty argument": (lambda p: predict(p.bundle(), ""), "PATH | empty | give an image"),
    "folder without images": (lambda p: predict(p.bundle(), "bundle"), "bundle | no images | .jpg"),
    "only damaged images": (
        lambda p: predict(p.bundle(), p.write("x.png", "-"), p.write("y.png", "-")),
        "x.png | not an image | 1 more | give images",
    ),
    "answers of another kind": (
        lambda p: [*predict(p.bundle(), p.images("x")), "--out", "answers.txt"],
        "--out answers.txt | .csv or .jsonl or .parquet | name it",
    ),
    "answers to nowhere": (
        lambda p: [*predict(p.bundle(), p.images("x")), "--out", "gone/answers.csv"],
        "--out gone/answers.csv | folder does not exist | create the folder",
    ),
    "answers to a folder": (
        lambda p: [*predict(p.bundle(), p.images("x.csv")), "--out", "x.csv"],
        "--out x.csv | is a folder | name of a file",
    ),
    "top 0": (lambda p: [*predict(p.bundle(), p.images("x")), "--top", "0"], "--top | equal to 1 | --help"),
}

MEASURING: Rows = {
    "slices without a column": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--slices", p.write("s.csv", "path,x\n")],
        "--slices | the column | --by COLUMN",
    ),
    "column without slices": (
        lambda p: [*evaluate(p.bundle(), p.folder()), "--by", "site"],
        "--by | needs a table | --slices FILE.csv",
    ),
    "slices that are nowhere": (lambda p: sliced(p, None), "s.csv | No such file | check"),
    "slices that are a folder": (lambda p: sliced(p, None, where="data"), "data | is a folder | name a file"),
    "slices that are empty": (lambda p: sliced(p, ""), "s.csv | is empty | header"),
    "slices without rows": (lambda p: sliced(p, "path,site\n"), "s.csv | no rows | one line per image"),
    "slices without paths": (
        lambda p: sliced(p, "file,site\na/0.png,x\n"),
        "s.csv | no column 'path' | it has: file, site",
    ),
    "slices by no column": (
        lambda p: sliced(p, "path,sites\na/0.png,x\n"),
        "s.csv | no column 'site' | did you mean 'sites'",
    ),
    "slices of strangers": (
        lambda p: sliced(p, "path,site\na/0.png,x\nz.png,x\ny.png,y\n"),
        "s.csv | 2 of 3 images that are not in the split, the first 'z.png' | for example",
    ),
    "slices of too many values": (
        lambda p: sliced(p, "path,site\n" + "".join(f"{i}.png,{i}\n" for i in range(60))),
        "s.csv | 'site' has 60 values, more than 50 | group them",
    ),
    "slices that contradict themselves": (
        lambda p: sliced(p, "path,site\na/0.png,x\na/0.png,y\n"),
        "s.csv | names a/0.png twice, as x and y | keep one",
    ),
    "export to nobody": (
        lambda p: ["export", p.bundle(), "--format", "torchvison"],
        "--format | 'torchvison' is not known | did you mean 'torchvision'",
    ),
    "comparison without data": (lambda p: ["compare", p.bundle(), "bundle"], "--data | needed | name a source"),
    "comparison of strangers": (
        lambda p: ["compare", *foreign(p), "--data", p.folder()],
        "other | has different classes from bundle | only bundle knows a, b | only other knows x, y",
    ),
    "comparison with nothing": (
        lambda p: ["compare", p.bundle(), "gone", "--data", p.folder()],
        "gone | does not exist | bundle",
    ),
    "comparison of no split": (
        lambda p: ["compare", p.bundle(), "bundle", "--data", p.folder(), "--split", "test"],
        "--split | no split 'test' | it has: all",
    ),
    "comparison of a split of nothing": (
        lambda p: ["compare", answers(p, "x.csv", "m"), "x.csv", "--split", "test"],
        "--split | no --data | leave it out",
    ),
    "comparison of files of no split": (
        lambda p: ["compare", answers(p, "x.csv", "m"), "x.csv", "--data", p.folder(), "--split", "test"],
        "--split | no split 'test' | it has: all",
    ),
    "comparison into the data": (
        lambda p: ["compare", p.bundle(), "bundle", "--data", p.folder(), "--out", "data/x"],
        "--out data/x | is inside | outside",
    ),
    "comparison of a missing file": (lambda p: ["compare", "x.csv", "y.csv"], "x.csv | No such file"),
    "comparison of another table": (
        lambda p: ["compare", p.write("x.csv", "path,label\nm,a\n"), "x.csv"],
        "x.csv | no column 'predicted' | it has: path, label",
    ),
    "comparison of other images": (
        lambda p: ["compare", answers(p, "x.csv", "m", "n"), answers(p, "y.csv", "m", "o")],
        "x.csv | 1 of 2 images are not among those of the other: n | same images",
    ),
    "comparison of an edited file": (
        lambda p: ["compare", answers(p, "x.csv", "m", correct="0"), "x.csv"],
        "x.csv | says of m that 'a' for 'a' is wrong | as it was written",
    ),
    "comparison with pictures of other images": (
        lambda p: ["compare", answers(p, "x.csv", "m"), "x.csv", "--data", p.folder(), "--out", "out"],
        "data | has no 'm' | the source of the predictions",
    ),
}

TRANSFER: Rows = {
    "cut at no tap": (
        lambda p: transfer(p, "--cut", "stage9"),
        "--cut | 'stage9' | did you mean 'stage2' | valid taps: stem, stage1.conv, stage1.pool",
    ),
    "freeze at no tap": (
        lambda p: transfer(p, "--freeze", "nowhere"),
        "training.freeze | 'nowhere' | taps: stem, stage1",
    ),
    "freeze everything": (
        lambda p: transfer(p, "--freeze", "head"),
        "training.freeze | nothing to train | before the last",
    ),
    "unknown head": (lambda p: transfer(p, "--head", "swm"), "--head | 'swm' | did you mean 'svm' | linear, two-layer"),
    "machine that fine-tunes": (
        lambda p: transfer(p, "--head", "svm", "--freeze", "stem"),
        "head svm | cannot fine-tune | --head linear",
    ),
    "machine of many epochs": (
        lambda p: transfer(p, "--head", "rbf-svm", "--epochs", "5"),
        "head rbf-svm | fitted once | leave out --freeze, --epochs",
    ),
    "machine that thaws": (
        lambda p: transfer(p, "--head", "svm", "--set", "training.thaw=2"),
        "head svm | cannot fine-tune | training.thaw",
    ),
    "machine that clips": (
        lambda p: transfer(p, "--head", "svm", "--set", "training.clip.limit=1"),
        "head svm | no use for training.clip | leave that out",
    ),
    "machine that augments": (
        lambda p: transfer(p, "--head", "svm", "--set", "augment.flip=True"),
        "head svm | augment | leave that out",
    ),
    "head kept for other classes": (
        lambda p: transfer(p, "--head", "keep", classes="ac"),
        "data | classes differ | only the bundle has b | only the source has c | --head linear",
    ),
    "head kept and cut": (
        lambda p: transfer(p, "--head", "keep", "--cut", "stem"),
        "--cut | cannot be combined | leave out",
    ),
    "thaw longer than the run": (
        lambda p: transfer(p, "--epochs", "2", "--set", "training.thaw=5"),
        "training.thaw | training has 2 | training.epochs=",
    ),
    "depth decay above one": (
        lambda p: transfer(p, "--set", "training.depth_decay=1.5"),
        "training.depth_decay | less than or equal to 1 | 1.5",
    ),
    "cut without a head": (
        lambda p: change(p, "model.cut=stem"),
        "model | cut, head and outputs belong together | convworks transfer",
    ),
    "transfer from nothing": (
        lambda p: ["transfer", "gone", "--data", p.folder()],
        "gone | does not exist | bundle",
    ),
    "features of no tap": (
        lambda p: features(p, "--tap", "stage9"),
        "--tap: there is no tap 'stage9' | taps: stem, stage1",
    ),
    "features of no split": (lambda p: features(p, "--split", "tests"), "--split | 'tests' | it has: all"),
    "features pooled somehow": (lambda p: features(p, "--pool", "mean"), "--pool | 'mean' | average, max, none"),
    "features as a picture": (lambda p: features(p, "--out", "x.png"), "--out x.png | .npz or .parquet"),
    "probe of no tap": (
        lambda p: ["probe", p.bundle(), "--data", p.folder(), "--tap", "head.x"],
        "--tap: there is no tap 'head.x' | taps: stem",
    ),
    "probe without labels": (
        lambda p: ["probe", p.bundle(), "--data", p.images("x")],
        "x | without class folders | sort",
    ),
}

ROWS = BUNDLES | USING | MEASURING | TRANSFER


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_row(ROWS[name], place, capsys)
