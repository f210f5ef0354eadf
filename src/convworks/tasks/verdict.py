"""The verdict on a run: what its numbers mean and what to try next, one rule for each finding (docs/verdict.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convworks.data.inspect.photographs import ICON, few_photographs, transfer_command
from convworks.errors import counted
from convworks.losses.lowest import aimed_confidence
from convworks.metrics.classification import wilson_interval
from convworks.metrics.spec import AUC, BALANCED_ACCURACY, MSE, PSNR, TOP1, MetricSpec
from convworks.pages.verdict import Finding
from convworks.tasks.evidence import Evidence, Rule, interval
from convworks.tasks.length import UNFIT, briefly, is_brief, longer

#: Points between training and validation from which a network overfits, if that is most of its error.
GAP = 0.05
#: Ratio of the squared errors on validation and training from which a network that makes images overfits.
GAP_OF_IMAGES = 1.25
#: Ratio of the largest class to the smallest, and points that balanced accuracy lacks, from which imbalance matters.
RATIO, UNEQUAL = 3.0, 0.05
#: Width of the 95 % interval above which a result says little.
WIDE = 0.10
#: Points between confidence and accuracy, beyond chance and label smoothing, from which probabilities are misleading.
UNSURE = 0.05
#: What is suggested: folds, label smoothing, augmentation, weight decay and the factor on it.
FOLDS, SMOOTHING = 5, 0.1
CROP, MIXUP, CORRUPTION = 0.35, 0.2, "{'kind': 'masking', 'rate': 0.25}"
DECAY, DECAY_TIMES = 5e-4, 4


#: Findings after which a network is not judged further.
CONCLUSIVE = ("stopped", "brief", "guessing")


def verdict(rules: Sequence[Rule], evidence: Evidence) -> list[Finding]:
    """Return the findings of the rules, in order; a network that guesses, or is half trained, is not judged further."""
    findings: list[Finding] = []
    for rule in rules:
        finding = rule(evidence)
        if finding is not None:
            findings.append(finding)
            if finding.rule in CONCLUSIVE:
                break
    return findings


def guessing(evidence: Evidence) -> Finding | None:
    """Not significantly better than chance: by accuracy, balanced accuracy and ROC area alike."""
    frequent = max(evidence.counts) / sum(evidence.counts)
    chance = {TOP1: frequent, BALANCED_ACCURACY: 1 / len(evidence.counts), AUC: 0.5}
    measures = {metric: level for metric, level in chance.items() if evidence.metrics.get(metric.name) is not None}
    if any(interval(evidence.metrics, metric)[0] > level for metric, level in measures.items()):
        return None
    meaning = (
        "The network is not significantly better than always naming the most frequent class, "
        f"which is right in {_percent(frequent)}."
    )
    if evidence.again.transferred:
        rate = f"training.schedule.rate={evidence.config.training.schedule.rate / 10:.2g}"
        return Finding(
            "guessing", "No better than guessing", meaning, "A lower learning rate.", evidence.again.varied(rate)
        )
    remedy = "Find the learning rates at which the loss falls; look at labels and images too (convworks data)."
    return Finding("guessing", "No better than guessing", meaning, remedy, evidence.again.lr_range())


def overfitting(metric: MetricSpec) -> Rule:
    """Return the rule for a validation error that is mostly absent on training images."""

    def rule(evidence: Evidence) -> Finding | None:
        train, validation = evidence.train[metric.name], evidence.metrics[metric.name]
        gap, error = train - validation, 1 - validation
        beyond_chance = train > interval(evidence.metrics, metric)[1]
        if not evidence.history or gap < GAP or gap <= error / 2 or not beyond_chance:
            return None
        meaning = (
            f"{metric.heading or metric.title} is {_points(gap)} points lower on validation than on training images: "
            "the network has memorised its training images."
        )
        remedy, changes = _more_variety(evidence)
        return Finding("overfitting", "Overfitting", meaning, remedy, evidence.again.varied(*changes))

    return rule


def underfitting(metric: MetricSpec) -> Rule:
    """Return the rule for a validation error that is mostly present on training images too.

    After a brief run that is the cause, and the only one that is named.
    """

    def rule(evidence: Evidence) -> Finding | None:
        unfit, error = 1 - evidence.train[metric.name], 1 - evidence.metrics[metric.name]
        if not evidence.history or unfit < UNFIT or unfit < error / 2:
            return None
        if is_brief(evidence):
            return briefly(evidence)
        meaning = (
            f"{metric.heading or metric.title} is only {_percent(1 - unfit)} on the training images themselves: "
            "the network has not learnt them yet, and more images alone would not help."
        )
        remedy, command = longer(evidence)
        further = "If that gains nothing: a larger network (--model) or larger images (data.size)."
        return Finding("underfitting", "Underfitting", meaning, f"{remedy} {further}", command)

    return rule


def imbalance(evidence: Evidence) -> Finding | None:
    """Rare classes are recognised worse, and neither sampling nor loss is balanced."""
    training, present = evidence.config.training, [count for count in evidence.counts if count]
    treated = training.sampling == "balanced" or getattr(training.loss, "class_weights", None) is not None
    lacking = evidence.metrics[TOP1.name] - evidence.metrics[BALANCED_ACCURACY.name]
    ratio = max(present) / min(present)
    if treated or ratio < RATIO or lacking < UNEQUAL:
        return None
    meaning = (
        f"The largest class has {ratio:.1f} times as many training images as the smallest, and balanced accuracy "
        f"(the mean over classes) is {_points(lacking)} points below accuracy: rare classes are recognised worse."
    )
    command = evidence.again.varied("training.sampling=balanced")
    return Finding("imbalance", "Imbalance", meaning, "Draw all classes equally often.", command)


def photographs(evidence: Evidence) -> Finding | None:
    """A network from scratch on few photographs that is not nearly perfect."""
    images, model = evidence.images, evidence.config.model
    few = few_photographs(images, len(evidence.counts), evidence.size, evidence.channels)
    if not few or model.cut is not None or model.start is not None or 1 - evidence.metrics[evidence.metric.name] < GAP:
        return None
    meaning = f"{images:,} photographs are few for a network that starts from random weights."
    remedy = (
        "Adapt a network that was trained on a million others. Its weights are downloaded once; without a connection, "
        "put the file into $CONVWORKS_DATA/weights, or name a bundle or run of your own instead."
    )
    command = transfer_command(*evidence.again.source(evidence.config.data.source))
    return Finding("photographs", "Few photographs", meaning, remedy, command)


def wide_interval(metric: MetricSpec) -> Rule:
    """Return the rule for a reported split with too few images to distinguish networks."""

    def rule(evidence: Evidence) -> Finding | None:
        low, high = interval(evidence.reported, metric)
        n = int(evidence.reported["n"])
        if low == high:  # without an error, resampling sees no spread: as if all of n answers were right
            low, high = wilson_interval(n, n)
        width = high - low
        if width <= WIDE:
            return None
        meaning = (
            f"The 95 % interval on {counted(n, f'{evidence.split} image')} is {_points(width)} points wide: networks "
            f"that differ by less can hardly be told apart. An interval of {_points(WIDE)} points needs about "
            f"{round(n * (width / WIDE) ** 2):,} images."
        )
        if evidence.again.transferred:
            remedy, command = (
                "Repeat with another seed: how far do the results differ?",
                evidence.again.varied(f"seed={evidence.config.seed + 1}"),
            )
        else:
            remedy, command = "Cross-validation measures on every training image.", evidence.again.crossval(FOLDS)
        return Finding("interval", f"Small {evidence.split} set", meaning, remedy, command)

    return rule


def miscalibration(evidence: Evidence) -> Finding | None:
    """Confidence that differs from accuracy by more than chance explains; `validation` is an outcome of classes."""
    validation: Any = evidence.validation
    confidence, accuracy = float(validation.confidence.mean()), evidence.metrics[TOP1.name]
    low, high = interval(evidence.metrics, TOP1)
    loss = evidence.config.training.loss
    smoothing = getattr(loss, "smoothing", 0.0)
    intended = 1 - aimed_confidence(loss, len(evidence.counts)) if confidence < accuracy else 0.0
    unsure = abs(confidence - accuracy) - intended >= UNSURE
    if not evidence.history or not unsure or low <= confidence <= high:
        return None
    side = "underconfident" if confidence < accuracy else "overconfident"
    meaning = (
        f"On validation, mean confidence is {_percent(confidence)} at an accuracy of {_percent(accuracy)}: the network "
        f"is {side}, and its probabilities should not be taken literally."
    )
    if confidence < accuracy and (is_brief(evidence) or not smoothing):
        return Finding("calibration", "Underconfident probabilities", meaning, *longer(evidence))
    if confidence < accuracy:
        remedy = "Label smoothing keeps probabilities away from 0 and 1: train without it."
        changes = ["training.loss.smoothing=0"]
    elif hasattr(loss, "smoothing") and not smoothing:
        remedy, changes = "Label smoothing restrains the confidence.", [f"training.loss.smoothing={SMOOTHING}"]
    else:
        remedy, changes = _more_variety(evidence)
    return Finding(
        "calibration", f"{side.capitalize()} probabilities", meaning, remedy, evidence.again.varied(*changes)
    )


def overfitting_images(evidence: Evidence) -> Finding | None:
    """Validation images are reconstructed worse than training images."""
    train, validation = evidence.train.get(MSE.name), evidence.metrics.get(MSE.name)
    if train is None or validation is None or not evidence.history or validation < GAP_OF_IMAGES * train:
        return None
    times = f"{validation / train:.2f} times " if train else "above "
    meaning = f"The squared error on validation is {times}that on training images: the network has memorised these."
    remedy, changes = "Corrupt what it reads (a denoising autoencoder).", [f"data.corruption={CORRUPTION}"]
    if evidence.config.data.corruption is not None:
        remedy, changes = _more_variety(evidence)
    return Finding("overfitting", "Overfitting", meaning, remedy, evidence.again.varied(*changes))


def no_gain(evidence: Evidence) -> Finding | None:
    """A denoising network whose outputs are no closer to the originals than its inputs."""
    made, read = evidence.metrics.get(PSNR.name), evidence.metrics.get("psnr_read")
    if made is None or read is None or made > read:
        return None
    numbers = f"({PSNR.write(made)}) is no nearer to the originals than what it reads ({PSNR.write(read)})"
    meaning = f"What the network makes {numbers}."
    return Finding("no-gain", "Nothing gained", meaning, *longer(evidence))


def _more_variety(evidence: Evidence) -> tuple[str, list[str]]:
    """Return the next augmentation that the run does not have yet, and the assignments for it."""
    augment, optimizer = evidence.config.augment, evidence.config.training.optimizer
    side = min(evidence.size)
    if augment.crop is None and evidence.channels == 3 and side > ICON:
        return "Crop training images at random.", [f"augment.crop={CROP}"]
    if augment.crop is None and not augment.shift and augment.affine is None:
        return "Shift training images at random.", [f"augment.shift={max(1, side // 8)}"]
    if augment.mixup is None and augment.cutmix is None and hasattr(evidence.config.training.loss, "smoothing"):
        return "Mix training images (mixup).", [f"augment.mixup={MIXUP}"]
    decay = DECAY_TIMES * optimizer.weight_decay or DECAY
    return "Decay the weights more strongly.", [f"training.optimizer.weight_decay={decay:g}"]


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}%"


def _points(difference: float) -> str:
    return f"{100 * difference:.1f}"
