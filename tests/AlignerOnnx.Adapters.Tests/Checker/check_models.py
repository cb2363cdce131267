"""Runs onnx.checker over .onnx files, one a line of standard input; prints a line for each that it refuses.

Debian's onnx (1.12) knows IR 8 and opset 17. Of newer models a copy that says so is checked, which holds for structure, names, types and all operators that did not change since. Operators
that it does not know, ONNX Runtime's own in the standard domain among them, are moved into a domain of their own, whose operators it does not look into.
"""
import os
import sys

import onnx

NEWEST_IR = 8
NEWEST_OPSET = 17
UNKNOWN = "unknown.here"

# What later opsets say otherwise: axes as an input, blocks.
CHANGED = {"DequantizeLinear", "QuantizeLinear", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd"}


def is_known(node, version):
    try:
        onnx.defs.get_schema(node.op_type, version, "")
    except Exception:  # C++: "No schema registered"
        return False
    return True


def nodes(graph):
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                yield from nodes(inner)


def lowered(model):
    model.ir_version = min(model.ir_version, NEWEST_IR)
    standard = next(imported for imported in model.opset_import if imported.domain in ("", "ai.onnx"))
    moved = CHANGED if standard.version > NEWEST_OPSET else set()
    standard.version = min(standard.version, NEWEST_OPSET)
    for node in nodes(model.graph):
        if node.domain in ("", "ai.onnx") and (node.op_type in moved or not is_known(node, standard.version)):
            node.domain = UNKNOWN
    model.opset_import.append(onnx.helper.make_opsetid(UNKNOWN, 1))
    return model


for path in sys.stdin.read().splitlines():
    copy = path + ".lowered"
    try:
        onnx.save(lowered(onnx.load(path, load_external_data=False)), copy)
        onnx.checker.check_model(copy)
    except Exception as refused:
        print(path, str(refused).replace("\n", " "))
    finally:
        os.remove(copy)
