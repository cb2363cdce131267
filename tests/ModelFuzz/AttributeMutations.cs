using Google.Protobuf;
using Onnx;
using static Onnx.AttributeProto.Types;

namespace AlignerOnnx.ModelFuzz;

/// <summary>Changes attributes: values, kinds, names; drops, doubles and adds them.</summary>
internal static class AttributeMutations
{
    private static readonly string[] Known =
        ["num_heads", "kv_num_heads", "q_num_heads", "scale", "do_rotary", "rotary_interleaved", "local_window_size", "softcap", "axis", "perm", "to", "transA", "transB", "alpha", "K", "N", "bits", "block_size",
         "epsilon", "num_outputs", "allowzero", "is_causal", "unidirectional", "qkv_hidden_sizes", "value", "value_ints", "split", "axes", "keepdims", "stash_type", "accuracy_level", "weight_prepacked", "qk_norm_epsilon"];

    public static void Change(Picker pick)
    {
        if (pick.Node() is not { } node)
        {
            return;
        }
        AttributeProto? attribute = pick.From(node.Attribute);
        if (attribute is null || pick.Once(8))
        {
            node.Attribute.Add(New(pick));
            return;
        }
        switch (pick.Next(12))
        {
            case 0:
                node.Attribute.Remove(attribute);
                break;
            case 1:
                node.Attribute.Add(attribute.Clone());
                break;
            case 2:
                attribute.Name = Known[pick.Next(Known.Length)];
                break;
            case 3:
                attribute.Type = (AttributeType)pick.Next(17);
                break;
            case 4:
                attribute.RefAttrName = "outer";
                break;
            default:
                ChangeValue(attribute, pick);
                break;
        }
    }

    private static AttributeProto New(Picker pick)
    {
        AttributeProto attribute = new() { Name = Known[pick.Next(Known.Length)], Type = (AttributeType)pick.Next(15) };
        if (attribute.Type == AttributeType.Ints)
        {
            attribute.Ints.AddRange(Enumerable.Range(0, pick.Next(6)).Select(_ => pick.Number()));
        }
        else if (pick.Once(2))
        {
            attribute.Type = AttributeType.Int;
        }
        attribute.I = pick.Number();
        return attribute;
    }

    private static void ChangeValue(AttributeProto attribute, Picker pick)
    {
        switch (attribute.Type)
        {
            case AttributeType.Float:
                attribute.F = pick.Real();
                break;
            case AttributeType.Ints when attribute.Ints.Count > 0 && !pick.Once(3):
                attribute.Ints[pick.Next(attribute.Ints.Count)] = pick.Number();
                break;
            case AttributeType.Ints:
                attribute.Ints.Add(pick.Number());
                break;
            case AttributeType.Floats:
                attribute.Floats.Add(pick.Real());
                break;
            case AttributeType.String:
                attribute.S = ByteString.CopyFrom([(byte)pick.Next(256), 0xC3, 0x28]);
                break;
            case AttributeType.Tensor when attribute.T is not null:
                TensorMutations.Change(attribute.T, pick);
                break;
            default:
                attribute.I = pick.Number();
                break;
        }
    }
}
