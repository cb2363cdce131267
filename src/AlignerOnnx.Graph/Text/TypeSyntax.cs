using Onnx;
using static Onnx.TensorProto.Types;
using Dimension = Onnx.TensorShapeProto.Types.Dimension;

namespace AlignerOnnx.Graph.Text;

/// <summary>
/// type ::= element | element '[' ']' | element '[' dimension, ... ']' | 'seq' '(' type ')' | 'optional' '(' type ')' | 'map' '(' element ',' type ')' | 'sparse_tensor' '(' type ')'.
/// Without brackets the tensor is a scalar; empty brackets leave its rank open; a dimension is a number, a symbol, or '?'.
/// </summary>
internal static class TypeSyntax
{
    /// <summary>Whether a type follows.</summary>
    public static bool IsNext(TextCursor cursor) => TextNames.StartsType(cursor.PeekIdentifier());

    public static TypeProto Parse(TextCursor cursor) => cursor.Nested(ParseNested);

    public static void Print(TypeProto type, TextOutput output) => output.Nested(() => PrintNested(type, output));

    private static TypeProto ParseNested(TextCursor cursor)
    {
        if (cursor.TryTakeIdentifier("seq"))
        {
            return new TypeProto { SequenceType = new TypeProto.Types.Sequence { ElemType = InParentheses(cursor, Parse) } };
        }
        if (cursor.TryTakeIdentifier("optional"))
        {
            return new TypeProto { OptionalType = new TypeProto.Types.Optional { ElemType = InParentheses(cursor, Parse) } };
        }
        if (cursor.TryTakeIdentifier("map"))
        {
            return new TypeProto { MapType = InParentheses(cursor, ParseMap) };
        }
        if (cursor.TryTakeIdentifier("sparse_tensor"))
        {
            TypeProto.Types.Tensor dense = InParentheses(cursor, ParseTensor);
            return new TypeProto { SparseTensorType = new TypeProto.Types.SparseTensor { ElemType = dense.ElemType, Shape = dense.Shape } };
        }
        return new TypeProto { TensorType = ParseTensor(cursor) };
    }

    private static T InParentheses<T>(TextCursor cursor, Func<TextCursor, T> parse)
    {
        cursor.Take('(');
        T inner = parse(cursor);
        cursor.Take(')');
        return inner;
    }

    private static TypeProto.Types.Map ParseMap(TextCursor cursor)
    {
        TypeProto.Types.Map map = new() { KeyType = (int)ParseElementType(cursor) };
        cursor.Take(',');
        map.ValueType = Parse(cursor);
        return map;
    }

    private static TypeProto.Types.Tensor ParseTensor(TextCursor cursor)
    {
        TypeProto.Types.Tensor tensor = new() { ElemType = (int)ParseElementType(cursor) };
        if (cursor.Peek() != '[')
        {
            tensor.Shape = new TensorShapeProto();
            return tensor;
        }
        TensorShapeProto shape = new();
        cursor.TakeList('[', ']', () => shape.Dim.Add(ParseDimension(cursor)));
        tensor.Shape = shape.Dim.Count > 0 ? shape : null;
        return tensor;
    }

    private static DataType ParseElementType(TextCursor cursor)
    {
        DataType? type = TextNames.ElementType(cursor.PeekIdentifier().ToString());
        if (type is null)
        {
            throw cursor.Refuse("a type, such as float[b, 4] or seq(int64)");
        }
        cursor.Identifier("a type");
        return type.Value;
    }

    private static Dimension ParseDimension(TextCursor cursor) =>
        cursor.TryTake('?') ? new Dimension()
        : cursor.NextIsName ? new Dimension { DimParam = cursor.Name("a dimension") }
        : new Dimension { DimValue = cursor.Integer("a dimension: a number, a name or '?'") };

    private static void PrintNested(TypeProto type, TextOutput output)
    {
        switch (type.ValueCase)
        {
            case TypeProto.ValueOneofCase.TensorType:
                PrintTensor(type.TensorType.ElemType, type.TensorType.Shape, output);
                break;
            case TypeProto.ValueOneofCase.SequenceType:
                PrintInner("seq(", type.SequenceType.ElemType, output);
                break;
            case TypeProto.ValueOneofCase.OptionalType:
                PrintInner("optional(", type.OptionalType.ElemType, output);
                break;
            case TypeProto.ValueOneofCase.MapType:
                PrintInner($"map({TextNames.NameOf((DataType)type.MapType.KeyType)}, ", type.MapType.ValueType, output);
                break;
            case TypeProto.ValueOneofCase.SparseTensorType:
                output.Write("sparse_tensor(");
                PrintTensor(type.SparseTensorType.ElemType, type.SparseTensorType.Shape, output);
                output.Write(")");
                break;
            default:
                throw NoPlace(type);
        }
    }

    private static void PrintInner(string open, TypeProto? inner, TextOutput output)
    {
        output.Write(open);
        Print(inner ?? throw NoPlace(inner), output);
        output.Write(")");
    }

    private static ModelRefusedException NoPlace(TypeProto? type) =>
        new("The ONNX text syntax has no place for this type", found: type?.ToString() ?? "no type", expected: "a tensor, sequence, map, optional or sparse tensor");

    private static void PrintTensor(int elementType, TensorShapeProto? shape, TextOutput output)
    {
        output.Write(TextNames.NameOf((DataType)elementType));
        if (shape is null)
        {
            output.Write("[]");
        }
        else if (shape.Dim.Count > 0)
        {
            output.List("[", shape.Dim, "]", dimension => Print(dimension, output));
        }
    }

    private static void Print(Dimension dimension, TextOutput output) => _ = dimension.ValueCase switch
    {
        Dimension.ValueOneofCase.DimValue => output.Write(dimension.DimValue),
        Dimension.ValueOneofCase.DimParam => output.Name(dimension.DimParam),
        _ => output.Write("?"),
    };
}
