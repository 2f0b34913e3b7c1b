"""From a module to an ONNX file that is as small as can be without changing a number."""

import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Sizes = tuple[dict[int, Any], ...]  # of each input, the axes whose length may vary


def write_graph(
    path: Path,
    module: nn.Module,
    inputs: Sequence[Tensor],
    names: tuple[list[str], list[str]],
    sizes: Sizes | None = None,
) -> None:
    """Export a module's forward pass to an ONNX file.

    Args:
        path: the file to write.
        module: takes and returns tensors alone.
        inputs: an example of what it takes.
        names: of the inputs and of the outputs, in their order; the page calls them so.
        sizes: for each input the axes whose length may vary, as in `torch.export.export`; None if all are fixed.
    Raises:
        RuntimeError: the module does something that ONNX cannot say.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of packages that nobody needs here
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(),
            tuple(inputs),
            input_names=names[0],
            output_names=names[1],
            dynamic_shapes=sizes,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError(f"{type(module).__name__} was not exported")
    path.write_bytes(_small(program.model_proto).SerializeToString())


def write_manifest(folder: Path, name: str, graphs: Sequence[str], facts: dict[str, Any]) -> Path:
    """Write `name`.json: the graphs with their sizes in bytes, and the facts that the page needs.

    Args:
        folder: where the graphs lie, each as `name`-`graph`.onnx.
        name: of the model.
        graphs: their names.
        facts: anything that JSON holds.
    Returns:
        the manifest's path.
    """
    files = {graph: f"{name}-{graph}.onnx" for graph in graphs}
    entries = {graph: {"file": file, "bytes": (folder / file).stat().st_size} for graph, file in files.items()}
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"graphs": entries, "facts": facts}, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _small(model: Any) -> Any:
    """The model without the exporter's notes, its weights in half precision where that loses nothing."""
    import onnx  # only who exports needs it

    for thing in [model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.value_info]:
        thing.ClearField("metadata_props")
    model.graph.ClearField("value_info")
    for node in model.graph.node:
        node.ClearField("doc_string")
    casts = []
    for i, tensor in enumerate(model.graph.initializer):
        weights = onnx.numpy_helper.to_array(tensor)
        if weights.dtype != np.float32 or weights.size < 64:
            continue
        with np.errstate(over="ignore"):
            half = weights.astype(np.float16)
        if np.array_equal(half.astype(np.float32), weights):
            stored = f"{tensor.name}.half"
            casts.append(onnx.helper.make_node("Cast", [stored], [tensor.name], to=onnx.TensorProto.FLOAT))
            model.graph.initializer[i].CopyFrom(onnx.numpy_helper.from_array(half, stored))
    nodes = [*casts, *model.graph.node]
    model.graph.ClearField("node")
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model
