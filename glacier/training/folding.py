"""A trained network as the same function with less work, for processors.

Once training is over, batch normalisation is a product and a sum: they go into the convolution
before it. The sum and the ReLU that end a residual block are done on a convolution's answer while
it is in the cache. And a 3 x 3 convolution of an image that was enlarged twofold meets each small
pixel more than once: written as a transposed convolution of the small image, four of the nine
products for a pixel are left. Answers differ from the network's by rounding alone.
"""

from __future__ import annotations

import operator
from copy import deepcopy
from typing import Any, TypeAlias, TypeGuard

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

SIDE = 64
"""Side of the window by which the shapes of all steps are found, pixels."""

CHECKS = "requires_divisible_input_shape"
"""Attribute that has a network compare the size of its image; a traced image has none."""

ADDITIONS = (operator.add, operator.iadd, torch.add)
RECTIFIERS = (functional.relu, torch.relu)

PLACES = ("kernel_size", "stride", "padding", "dilation", "groups")
"""What says which pixels a convolution brings together."""

FUSED = (
    "_convolution_pointwise", "_convolution_transpose_pointwise", "_reorder_convolution_weight",
    "_reorder_convolution_transpose_weight",
)  # fmt: skip
"""Operations by which oneDNN does in one go what follows a convolution; PyTorch may rename them."""

SHARES = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
"""(4, 3) the sum of a kernel's weights at each place of the transposed kernel: an even pixel of the
large image meets the small ones at places 3 and 1, an odd one those at 2 and 0."""

Step: TypeAlias = Any
"""A node of a traced network; fx declares what it takes so broadly that nothing can be used."""


def fold(model: nn.Module, bands: int, precision: torch.dtype) -> nn.Module:
    """A network for evaluation alone, made of one that stays as it is.

    Args:
        model: The U-Net, on a processor; it is put into evaluation mode.
        bands: Number of input bands B.
        precision: Of the convolutions, float32 or bfloat16.

    Returns:
        The same function with weights of its own; the network itself where its steps cannot be
        followed, as those of some transformers.
    """
    try:
        traced = trace(model.eval(), bands)
    except Exception:  # every network has its own kinds
        return model
    for rewrite in (fold_normalisation, shrink_enlargement, fuse_sum, fuse_rectifier):
        for node in traced.graph.nodes:
            rewrite(node)
        traced.graph.eliminate_dead_code()
    traced.delete_all_unused_submodules()
    traced.recompile()
    for layer in traced.modules():
        if isinstance(layer, Convolution):
            layer.to(dtype=precision, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return deepcopy(traced).eval()  # what was not folded is the network's own


class Convolution(nn.Module):
    """A convolution, perhaps a sum, perhaps ReLU: in one go where oneDNN is there."""

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
        """Keep a layer of its own, without activation."""
        super().__init__()
        self.layer = layer
        self.rectifies = False
        self.packed: torch.Tensor | None = None

    def forward(self, image: torch.Tensor, other: torch.Tensor | None = None) -> torch.Tensor:
        """The answer, to which another one of its shape is added."""
        image = image.to(self.layer.weight.dtype)
        if can_fuse():
            return self.run_fused(image, other)
        answer: torch.Tensor = self.layer(image)
        answer = answer if other is None else answer + other
        return torch.relu(answer) if self.rectifies else answer

    def run_fused(self, image: torch.Tensor, other: torch.Tensor | None) -> torch.Tensor:
        """The same by the operations that PyTorch's own compiler puts in place."""
        layer, onednn = self.layer, torch.ops.mkldnn
        places: Any = (layer.padding, layer.stride, layer.dilation, layer.groups)
        pack, run = onednn._reorder_convolution_weight, onednn._convolution_pointwise
        if isinstance(layer, nn.ConvTranspose2d):
            places = (layer.padding, layer.output_padding, *places[1:])
            pack = onednn._reorder_convolution_transpose_weight
            run = onednn._convolution_transpose_pointwise
        if self.packed is None:  # once: every call has windows of the same number and size
            self.packed = pack(layer.weight, *places, image.shape)
        weights = (self.packed, layer.bias, *places)
        last = "relu" if self.rectifies else "none"
        if other is None:
            answer = run(image, *weights, last, [], "")
        else:
            then = last if self.rectifies else None
            answer = run.binary(image, other.to(image.dtype), *weights, "add", 1.0, then, [], "")
        return answer  # type: ignore[no-any-return]


def can_fuse() -> bool:
    """Whether this PyTorch has oneDNN, and the operations of its compiler under these names."""
    has_onednn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return has_onednn and all(hasattr(torch.ops.mkldnn, name) for name in FUSED)


class Tracer(fx.Tracer):
    """Follows a network's steps, a convolution being one."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is one step."""
        return is_plain(m) or super().is_leaf_module(m, module_qualified_name)


def trace(model: nn.Module, bands: int) -> fx.GraphModule:
    """The steps of a network with the shapes of what they give.

    Raises:
        Exception: They cannot be followed.
    """
    checks = getattr(model, CHECKS, False)
    setattr(model, CHECKS, False)
    try:
        traced = fx.GraphModule(model, Tracer().trace(model))
    finally:
        setattr(model, CHECKS, checks)
    for node in traced.graph.nodes:
        if isinstance(layer_of(node), nn.Identity):
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)
    with torch.inference_mode():
        ShapeProp(traced).propagate(torch.zeros(1, bands, SIDE, SIDE))
    return traced


def fold_normalisation(node: Step) -> None:
    """Take a convolution over, with the batch normalisation that alone follows it."""
    layer = layer_of(node)
    if not is_plain(layer):
        return
    weight, bias, end = layer.weight, layer.bias, node
    user = find_user(node)
    norm: Any = layer_of(user)
    if type(norm) is nn.BatchNorm2d and norm.running_mean is not None:
        assert norm.running_var is not None
        weight, bias = fuse_conv_bn_weights(
            weight, bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        end = user
    made = insert(end, make_convolution(layer, weight, bias), node.args[0])
    end.replace_all_uses_with(made)


def shrink_enlargement(node: Step) -> None:
    """Convolve an image before it is enlarged twofold, and apart from the one beside it."""
    folded = layer_of(node)
    if not isinstance(folded, Convolution) or not is_same_3x3(layer := folded.layer):
        return
    large, beside = node.args[0], None
    if is_pair(large):
        large, beside = large.args[0]
    if not is_enlarged(large):
        return
    weight, bias, channels = layer.weight, layer.bias, shape_of(large)[1]
    small = make_transposed(weight[:, :channels], bias if beside is None else None)
    made = insert(node, small, large.args[0])
    if beside is not None:
        rest = make_convolution(layer, weight[:, channels:], bias)
        made = insert(node, rest, beside, made)
    node.replace_all_uses_with(made)


def fuse_sum(node: Step) -> None:
    """Let the later of two convolutions add the answer of the step before it."""
    is_sum = node.op == "call_function" and node.target in ADDITIONS
    if not is_sum or node.kwargs or not all(isinstance(part, fx.Node) for part in node.args):
        return
    earlier, later = sorted(node.args)
    if earlier is later or find_free(later) is None or len(later.args) > 1:
        return
    if shape_of(earlier) != shape_of(later):
        return
    later.args = (later.args[0], earlier)
    node.replace_all_uses_with(later)


def fuse_rectifier(node: Step) -> None:
    """Let a convolution do the ReLU that alone follows it."""
    is_call = node.op == "call_function" and node.target in RECTIFIERS
    if not is_call and not isinstance(layer_of(node), nn.ReLU):
        return
    folded = find_free(node.args[0])
    if folded is not None:
        folded.rectifies = True
        node.replace_all_uses_with(node.args[0])


def is_plain(layer: nn.Module | None) -> TypeGuard[nn.Conv2d]:
    """Whether a layer is a convolution that pads with zeros, opposite sides alike."""
    if not isinstance(layer, nn.Conv2d) or layer.padding_mode != "zeros":
        return False
    is_padded = isinstance(getattr(layer, "static_padding", None), nn.Identity)
    return isinstance(layer.padding, tuple) and (type(layer) is nn.Conv2d or is_padded)


def is_same_3x3(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a layer is a convolution of 3 x 3 px that keeps the size and mixes all channels."""
    if not isinstance(layer, nn.Conv2d) or layer.groups != 1:
        return False
    kernel = layer.kernel_size, layer.padding, layer.stride, layer.dilation
    return kernel == ((3, 3), (1, 1), (1, 1), (1, 1))


def is_pair(node: Step) -> bool:
    """Whether a step puts the channels of two images side by side, for one other step."""
    is_joined = node.op == "call_function" and node.target is torch.cat and len(node.users) == 1
    if not is_joined or len(node.args[0]) != 2:
        return False
    return (node.args[1:] or (node.kwargs.get("dim"),)) == (1,)


def is_enlarged(node: Step) -> bool:
    """Whether a step repeats every pixel of an image twice in both directions, for one other."""
    if node.target is not functional.interpolate or len(node.users) != 1:
        return False
    (height, width), (high, wide) = (shape_of(n)[-2:] for n in (node.args[0], node))
    return node.kwargs.get("mode") == "nearest" and (high, wide) == (2 * height, 2 * width)


def layer_of(node: Step | None) -> nn.Module | None:
    """The layer that a step calls."""
    if node is None or node.op != "call_module":
        return None
    layer: nn.Module = node.graph.owning_module.get_submodule(node.target)
    return layer


def shape_of(node: Step) -> tuple[int, ...]:
    """Shape of what a step gives."""
    return tuple(node.meta["tensor_meta"].shape)


def find_user(node: Step) -> Step | None:
    """The step that uses what another one gives, where it is the only one."""
    return next(iter(node.users)) if len(node.users) == 1 else None


def find_free(node: Step) -> Convolution | None:
    """The convolution of a step whose answer one other step alone uses."""
    layer = layer_of(node)
    if not isinstance(layer, Convolution) or layer.rectifies or len(node.users) != 1:
        return None
    return layer


def insert(node: Step, layer: nn.Module, *args: Step) -> Step:
    """A step with a layer of its own before another one, which gives the same shape."""
    name = f"{node.name}_{len(node.graph.nodes)}"
    node.graph.owning_module.add_submodule(name, layer)
    with node.graph.inserting_before(node):
        new = node.graph.call_module(name, args)
    new.meta = dict(node.meta)
    return new


def make_convolution(
    like: nn.Conv2d, weight: torch.Tensor, bias: torch.Tensor | None
) -> Convolution:
    """A convolution with weights of its own, (out, in / groups, h, w) and (out,)."""
    places: dict[str, Any] = {name: getattr(like, name) for name in PLACES}
    layer = nn.Conv2d(
        weight.shape[1] * like.groups, len(weight), **places, bias=bias is not None, device="meta"
    )
    return own(layer, weight, bias)


def make_transposed(weight: torch.Tensor, bias: torch.Tensor | None) -> Convolution:
    """A 3 x 3 convolution of an image enlarged twofold as one of the image: (out, in, 3, 3)."""
    layer = nn.ConvTranspose2d(
        weight.shape[1], len(weight), 4, 2, 1, bias=bias is not None, device="meta"
    )
    return own(layer, torch.einsum("au,bv,oiuv->ioab", SHARES, SHARES, weight), bias)


def own(
    layer: nn.Conv2d | nn.ConvTranspose2d, weight: torch.Tensor, bias: torch.Tensor | None
) -> Convolution:
    """A layer with copies of weights."""
    layer.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return Convolution(layer)
