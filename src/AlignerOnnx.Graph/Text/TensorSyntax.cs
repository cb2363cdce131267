using System.Runtime.InteropServices;
using Google.Protobuf;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Graph.Text;

/// <summary>
/// tensor ::= type name? '='? data; data ::= '{' number, ... '}' | '[' string ':' string, ... ']'. The type has a shape of numbers; the second form of data says where
/// it lies in an external data file.
/// </summary>
internal static class TensorSyntax
{
    /// <summary>Reads what follows the type of a tensor.</summary>
    public static TensorProto ParseAfterType(TextCursor cursor, TypeProto type)
    {
        string name = cursor.NextIsName ? cursor.Name("the name of a tensor") : "";
        cursor.TryTake('=');
        return ParseData(cursor, type, name);
    }

    /// <summary>Reads the data of a tensor whose type and name have been read.</summary>
    public static TensorProto ParseData(TextCursor cursor, TypeProto? type, string name)
    {
        if (type?.TensorType?.Shape is not { } shape || shape.Dim.Any(dimension => !dimension.HasDimValue || dimension.DimValue < 0))
        {
            throw cursor.Refuse($"data only behind a tensor type with a shape of numbers, such as int64[2] {{1, 2}}: the type of '{name}' is another");
        }
        TensorProto tensor = new() { DataType = type.TensorType.ElemType };
        if (name.Length > 0)
        {
            tensor.Name = name;
        }
        tensor.Dims.AddRange(shape.Dim.Select(dimension => dimension.DimValue));
        if (cursor.Peek() == '[')
        {
            tensor.DataLocation = DataLocation.External;
            cursor.TakeList('[', ']', () => tensor.ExternalData.Add(EntrySyntax.Parse(cursor)));
            return tensor;
        }
        ParseValues(cursor, tensor);
        return tensor;
    }

    /// <param name="tensor">The tensor.</param>
    /// <param name="output">Where to.</param>
    /// <param name="isInitializer">Initializers always have a name, be it empty, and an equals sign.</param>
    public static void Print(TensorProto tensor, TextOutput output, bool isInitializer)
    {
        output.Write(TextNames.NameOf((DataType)tensor.DataType));
        if (tensor.Dims.Count > 0)
        {
            output.List("[", tensor.Dims, "]", dimension => output.Write(dimension));
        }
        if (isInitializer || tensor.Name.Length > 0)
        {
            output.Write(" ").Name(tensor.Name);
        }
        bool external = tensor.DataLocation == DataLocation.External;
        output.Write(isInitializer || external ? " = " : " ");
        if (external)
        {
            output.List("[", tensor.ExternalData, "]", entry => EntrySyntax.Print(entry, output));
        }
        else
        {
            PrintValues(tensor, output);
        }
    }

    private static void ParseValues(TextCursor cursor, TensorProto tensor)
    {
        long expected = ValueCount(tensor) ?? throw cursor.Refuse("values of a tensor type whose size fits 63 bits");
        long count = 0;
        cursor.TakeList('{', '}', () =>
        {
            if (count++ == expected)
            {
                throw cursor.Refuse($"'}}' after {expected} values");
            }
            ParseValue(cursor, tensor);
        });
        if (count < expected)
        {
            throw cursor.Refuse($"{expected} values of tensor '{tensor.Name}' before the brace, not {count}");
        }
    }

    /// <summary>Numbers that are written for a tensor; null where they are too many. Complex numbers take two, elements below 8 bits share one.</summary>
    private static long? ValueCount(TensorProto tensor)
    {
        try
        {
            DataType type = (DataType)tensor.DataType;
            long elements = tensor.Dims.Aggregate(1L, (product, dimension) => checked(product * dimension));
            return type is DataType.Complex64 or DataType.Complex128 ? checked(2 * elements)
                : ElementTypes.Bits(type) is > 0 and < 8 ? ElementTypes.ByteLength(type, elements)
                : elements;
        }
        catch (OverflowException)
        {
            return null;
        }
    }

    private static void ParseValue(TextCursor cursor, TensorProto tensor)
    {
        switch ((DataType)tensor.DataType)
        {
            case DataType.Float or DataType.Complex64:
                tensor.FloatData.Add(cursor.Single("a number"));
                break;
            case DataType.Double or DataType.Complex128:
                tensor.DoubleData.Add(cursor.Double("a number"));
                break;
            case DataType.Int64:
                tensor.Int64Data.Add(cursor.Integer("an integer"));
                break;
            case DataType.Uint64:
                tensor.Uint64Data.Add(cursor.Unsigned("an integer that is not negative"));
                break;
            case DataType.Uint32:
                tensor.Uint64Data.Add((ulong)cursor.Integer("an integer", 0, uint.MaxValue));
                break;
            case DataType.String:
                tensor.StringData.Add(ByteString.CopyFromUtf8(cursor.String("a string")));
                break;
            case DataType.Undefined:
                throw cursor.Refuse("no values, as the element type is undefined");
            case { } narrow:
                (long minimum, long maximum) = Range(narrow);
                tensor.Int32Data.Add((int)cursor.Integer("an integer", minimum, maximum));
                break;
        }
    }

    private static (long Minimum, long Maximum) Range(DataType type) => type switch
    {
        DataType.Int8 => (sbyte.MinValue, sbyte.MaxValue),
        DataType.Int16 => (short.MinValue, short.MaxValue),
        DataType.Int32 => (int.MinValue, int.MaxValue),
        _ => (0, ElementTypes.Bits(type) == 16 ? ushort.MaxValue : byte.MaxValue),
    };

    private static void PrintValues(TensorProto tensor, TextOutput output)
    {
        if (tensor.Segment is not null)
        {
            throw new ModelRefusedException("The ONNX text syntax has no place for a tensor in segments", $"tensor '{tensor.Name}'");
        }
        if (output.Elides(new Tensor(tensor, null).Count))
        {
            output.Write("{...}");
            return;
        }
        if (tensor.DataType == (int)DataType.String)
        {
            output.List("{", tensor.StringData, "}", text => output.Quoted(text, $"tensor '{tensor.Name}'"));
            return;
        }
        byte[] bytes = new Tensor(tensor, null).ReadBytes();
        _ = (DataType)tensor.DataType switch
        {
            DataType.Float or DataType.Complex64 => Print<float>(bytes, number => output.Number(number), output),
            DataType.Double or DataType.Complex128 => Print<double>(bytes, number => output.Number(number), output),
            DataType.Uint64 => Print<ulong>(bytes, number => output.Write(number.ToString(System.Globalization.CultureInfo.InvariantCulture)), output),
            DataType.Int64 => Print<long>(bytes, number => output.Write(number), output),
            DataType.Int32 => Print<int>(bytes, number => output.Write(number), output),
            DataType.Uint32 => Print<uint>(bytes, number => output.Write(number), output),
            DataType.Int16 => Print<short>(bytes, number => output.Write(number), output),
            DataType.Int8 => Print<sbyte>(bytes, number => output.Write(number), output),
            DataType.Uint16 or DataType.Float16 or DataType.Bfloat16 => Print<ushort>(bytes, number => output.Write(number), output),
            _ => Print<byte>(bytes, number => output.Write(number), output),
        };
    }

    private static TextOutput Print<T>(byte[] bytes, Action<T> print, TextOutput output)
        where T : unmanaged => output.List("{", MemoryMarshal.Cast<byte, T>(bytes).ToArray(), "}", print);
}
