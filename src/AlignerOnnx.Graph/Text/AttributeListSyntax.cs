using Onnx;
using static Onnx.AttributeProto.Types;

namespace AlignerOnnx.Graph.Text;

/// <summary>A list as an attribute: '[' value, ... ']', values of one type. An empty one needs its type before the equals sign.</summary>
internal static class AttributeListSyntax
{
    private static readonly Dictionary<AttributeType, AttributeType> ListOf = new()
    {
        [AttributeType.Int] = AttributeType.Ints, [AttributeType.Float] = AttributeType.Floats, [AttributeType.String] = AttributeType.Strings,
        [AttributeType.Tensor] = AttributeType.Tensors, [AttributeType.Graph] = AttributeType.Graphs, [AttributeType.TypeProto] = AttributeType.TypeProtos,
        [AttributeType.SparseTensor] = AttributeType.SparseTensors,
    };

    /// <summary>Whether attributes of this type hold lists.</summary>
    public static bool IsList(AttributeType type) => ListOf.ContainsValue(type);

    public static void Parse(TextCursor cursor, AttributeProto attribute, AttributeType? stated)
    {
        int start = cursor.Mark();
        if (stated is { } single && !IsList(single))
        {
            throw cursor.RefuseAt(start, $"one value, as the attribute is of type {TextNames.NameOf(single)}");
        }
        AttributeType? element = stated is null ? null : ListOf.First(pair => pair.Value == stated).Key;
        cursor.TakeList('[', ']', () =>
        {
            AttributeProto value = AttributeValueSyntax.Parse(cursor, element);
            element ??= value.Type;
            Append(attribute, value);
        });
        attribute.Type = element is null ? throw cursor.RefuseAt(start, $"an empty list only with its type, as in {attribute.Name}: ints = []") : ListOf[element.Value];
    }

    public static void Print(AttributeProto attribute, AttributeType type, TextOutput output)
    {
        AttributeProto[] values = [.. Values(attribute, type)];
        output.Write(values.Length > 0 ? " = " : $": {TextNames.NameOf(type)} = ");
        output.List("[", values, "]", value => AttributeValueSyntax.Print(value, value.Type, output));
    }

    public static AttributeType TypeOfContent(AttributeProto attribute) =>
        ListOf.Values.FirstOrDefault(type => Values(attribute, type).Any());

    private static void Append(AttributeProto list, AttributeProto value)
    {
        switch (value.Type)
        {
            case AttributeType.Int:
                list.Ints.Add(value.I);
                break;
            case AttributeType.Float:
                list.Floats.Add(value.F);
                break;
            case AttributeType.String:
                list.Strings.Add(value.S);
                break;
            case AttributeType.Tensor:
                list.Tensors.Add(value.T);
                break;
            case AttributeType.Graph:
                list.Graphs.Add(value.G);
                break;
            default:
                list.TypeProtos.Add(value.Tp);
                break;
        }
    }

    /// <summary>The values of a list, each as an attribute without a name.</summary>
    private static IEnumerable<AttributeProto> Values(AttributeProto list, AttributeType type) => type switch
    {
        AttributeType.Ints => list.Ints.Select(value => new AttributeProto { Type = AttributeType.Int, I = value }),
        AttributeType.Floats => list.Floats.Select(value => new AttributeProto { Type = AttributeType.Float, F = value }),
        AttributeType.Strings => list.Strings.Select(value => new AttributeProto { Type = AttributeType.String, S = value }),
        AttributeType.Tensors => list.Tensors.Select(value => new AttributeProto { Type = AttributeType.Tensor, T = value }),
        AttributeType.Graphs => list.Graphs.Select(value => new AttributeProto { Type = AttributeType.Graph, G = value }),
        AttributeType.TypeProtos => list.TypeProtos.Select(value => new AttributeProto { Type = AttributeType.TypeProto, Tp = value }),
        _ => list.SparseTensors.Select(value => new AttributeProto { Type = AttributeType.SparseTensor, SparseTensor = value }),
    };
}
