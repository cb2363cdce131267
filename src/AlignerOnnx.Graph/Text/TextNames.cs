using System.Buffers;
using System.Globalization;
using static Onnx.AttributeProto.Types;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Graph.Text;

/// <summary>The words of the syntax.</summary>
internal static class TextNames
{
    private static readonly Dictionary<string, DataType> ElementTypesByName = Enum.GetValues<DataType>().ToDictionary(NameOf, StringComparer.Ordinal);
    private static readonly Dictionary<string, AttributeType> AttributeTypesByName = new(StringComparer.Ordinal)
    {
        ["float"] = AttributeType.Float, ["int"] = AttributeType.Int, ["string"] = AttributeType.String, ["tensor"] = AttributeType.Tensor, ["graph"] = AttributeType.Graph,
        ["sparse_tensor"] = AttributeType.SparseTensor, ["type_proto"] = AttributeType.TypeProto,
        ["floats"] = AttributeType.Floats, ["ints"] = AttributeType.Ints, ["strings"] = AttributeType.Strings, ["tensors"] = AttributeType.Tensors, ["graphs"] = AttributeType.Graphs,
        ["sparse_tensors"] = AttributeType.SparseTensors, ["type_protos"] = AttributeType.TypeProtos,
    };

    private static readonly SearchValues<char> IntegerCharacters = SearchValues.Create("-0123456789");
    private static readonly HashSet<string> NestedTypes = new(["seq", "map", "optional", "sparse_tensor", "opaque"], StringComparer.Ordinal);

    /// <summary>The NaN that is printed without a sign; .NET's own has one.</summary>
    public static readonly double PositiveNaN = BitConverter.UInt64BitsToDouble(0x7FF8_0000_0000_0000);

    /// <summary>The element type of a name; null where it is none.</summary>
    public static DataType? ElementType(string name) => ElementTypesByName.TryGetValue(name, out DataType type) ? type : null;

    /// <summary>The name of an element type.</summary>
    /// <exception cref="ModelRefusedException">It is no element type.</exception>
    public static string NameOf(DataType type) => Enum.IsDefined(type)
        ? type.ToString().ToLowerInvariant()
        : throw new ModelRefusedException("The model has an unknown element type", found: ((int)type).ToString(CultureInfo.InvariantCulture), expected: "an element type of ONNX");

    /// <summary>The attribute type of a name; null where it is none.</summary>
    public static AttributeType? AttributeTypeOf(string name) => AttributeTypesByName.TryGetValue(name, out AttributeType type) ? type : null;

    /// <summary>The name of an attribute type.</summary>
    /// <exception cref="ModelRefusedException">It is no attribute type.</exception>
    public static string NameOf(AttributeType type) => AttributeTypesByName.FirstOrDefault(pair => pair.Value == type).Key
        ?? throw new ModelRefusedException("The model has an unknown attribute type", found: type.ToString(), expected: "an attribute type of ONNX");

    /// <summary>Whether a type begins with this word.</summary>
    public static bool StartsType(ReadOnlySpan<char> word) =>
        ElementTypesByName.GetAlternateLookup<ReadOnlySpan<char>>().ContainsKey(word) || NestedTypes.GetAlternateLookup<ReadOnlySpan<char>>().Contains(word);

    /// <summary>Whether a word is a number: infinity or NaN, in any case.</summary>
    public static bool IsNumberWord(ReadOnlySpan<char> word) =>
        word.Equals("nan", StringComparison.OrdinalIgnoreCase) || word.Equals("inf", StringComparison.OrdinalIgnoreCase) || word.Equals("infinity", StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether a number is written as an integer.</summary>
    public static bool IsInteger(ReadOnlySpan<char> number) => !number.ContainsAnyExcept(IntegerCharacters);

    /// <summary>Whether a character may stand in an identifier.</summary>
    public static bool IsIdentifierPart(char character, bool first) => char.IsAsciiLetter(character) || character == '_' || (!first && char.IsAsciiDigit(character));

    /// <summary>Whether a name can stand without quotation marks wherever names stand.</summary>
    public static bool IsPlain(string name)
    {
        for (int i = 0; i < name.Length; i++)
        {
            if (!IsIdentifierPart(name[i], first: i == 0))
            {
                return false;
            }
        }
        return name.Length > 0 && !StartsType(name) && !IsNumberWord(name);
    }
}
