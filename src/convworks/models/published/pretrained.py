"""Published pre-trained weights: their official URLs and checksums. This module imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from convworks.errors import InputError, nearest


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """Published weights: the peer's name of the network, the URL of the file, the published accuracy.

    `checksum` is the prefix of its SHA-256 in the file name; `top1` is the published accuracy on the validation images,
    as a fraction.
    """

    peer: str
    name: str
    address: str
    checksum: str
    top1: float

    @property
    def file(self) -> str:
        """Return the name of the file."""
        return self.address.rpartition("/")[2]


_TORCHVISION = "https://download.pytorch.org/models/"


def _imagenet(name: str, file: str, top1: float) -> Pretrained:
    checksum = file.rpartition("-")[2].partition(".")[0]
    return Pretrained(peer="torchvision", name=name, address=_TORCHVISION + file, checksum=checksum, top1=top1)


def _cifar10(name: str, file: str, top1: float) -> Pretrained:
    address = f"https://raw.githubusercontent.com/akamaster/pytorch_resnet_cifar10/master/pretrained_models/{file}"
    checksum = file.rpartition("-")[2].partition(".")[0]
    return Pretrained(peer="cifar", name=name, address=address, checksum=checksum, top1=top1)


#: Names are NETWORK:SET, the network as its publisher calls it.
PRETRAINED: dict[str, Pretrained] = {
    "alexnet:imagenet": _imagenet("alexnet", "alexnet-owt-7be5be79.pth", 0.56522),
    "vgg11:imagenet": _imagenet("vgg11", "vgg11-8a719046.pth", 0.6902),
    "vgg13:imagenet": _imagenet("vgg13", "vgg13-19584684.pth", 0.69928),
    "vgg16:imagenet": _imagenet("vgg16", "vgg16-397923af.pth", 0.71592),
    "vgg19:imagenet": _imagenet("vgg19", "vgg19-dcbb9e9d.pth", 0.72376),
    "vgg11_bn:imagenet": _imagenet("vgg11_bn", "vgg11_bn-6002323d.pth", 0.7037),
    "vgg13_bn:imagenet": _imagenet("vgg13_bn", "vgg13_bn-abd245e5.pth", 0.71586),
    "vgg16_bn:imagenet": _imagenet("vgg16_bn", "vgg16_bn-6c64b313.pth", 0.7336),
    "vgg19_bn:imagenet": _imagenet("vgg19_bn", "vgg19_bn-c79401a0.pth", 0.74218),
    "googlenet:imagenet": _imagenet("googlenet", "googlenet-1378be20.pth", 0.69778),
    "inception_v3:imagenet": _imagenet("inception_v3", "inception_v3_google-0cc3c7bd.pth", 0.77294),
    "resnet18:imagenet": _imagenet("resnet18", "resnet18-f37072fd.pth", 0.69758),
    "resnet34:imagenet": _imagenet("resnet34", "resnet34-b627a593.pth", 0.73314),
    "resnet50:imagenet": _imagenet("resnet50", "resnet50-0676ba61.pth", 0.7613),
    "resnet101:imagenet": _imagenet("resnet101", "resnet101-63fe2227.pth", 0.77374),
    "resnet152:imagenet": _imagenet("resnet152", "resnet152-394f9c45.pth", 0.78312),
    "resnet20:cifar10": _cifar10("resnet20", "resnet20-12fca82f.th", 0.9173),
    "resnet32:cifar10": _cifar10("resnet32", "resnet32-d509ac18.th", 0.9263),
    "resnet44:cifar10": _cifar10("resnet44", "resnet44-014dd654.th", 0.931),
}

#: The names of ImageNet's 1,000 classes, one per line, in the order of the outputs.
IMAGENET_CLASSES = "https://raw.githubusercontent.com/pytorch/hub/master/imagenet_classes.txt"


def find_pretrained(name: str) -> Pretrained:
    """Return the published weights of a name such as resnet50:imagenet; an unknown one raises InputError."""
    if name not in PRETRAINED:
        raise InputError(
            "weights", f"there are none named {name!r}{nearest(name, PRETRAINED)}", f"known: {', '.join(PRETRAINED)}"
        )
    return PRETRAINED[name]
