using Onnx;

namespace AlignerOnnx.Graph.Text;

/// <summary>
/// Models in the ONNX text syntax (onnx/docs/Syntax.md). Reading what was printed gives the same model, printing what was read the same text.
/// <para>
/// Values of float16, bfloat16 and the 8-bit floats are written as their bit patterns, elements of less than 8 bits as the bytes that hold them; numbers and strings are
/// exact. Read tensors hold their values in the typed fields of the message (<c>float_data</c> and so on), whichever field they were printed from.
/// </para>
/// <para>
/// The syntax has no place for, and printing leaves out: documentation (but that of the model and of functions), metadata (but that of the model), denotations, empty names of
/// nodes, the payload of NaN. It has none for, and printing refuses: sparse tensors as values, strings that are not UTF-8, tensors in segments.
/// Read and printed beyond the syntax of the official parser: graphs whose quoted name stands behind an attribute, lists of tensors, graphs and types, quoted parts of operator
/// names, quoted names of attributes, the element type <c>undefined</c>, empty lists of external data. Types <c>opaque</c> are not read.
/// </para>
/// </summary>
public static class OnnxText
{
    /// <summary>How deep graphs and types may be nested, in text and in messages: what the limit of protobuf, 100 messages, leaves.</summary>
    public const int MaximumDepth = 32;

    /// <summary>Reads a model as a message; nothing of it is checked beyond the syntax and the values of tensors.</summary>
    /// <exception cref="ModelRefusedException">The text does not follow the syntax; says line and column.</exception>
    public static ModelProto Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return ModelSyntax.Parse(new TextCursor(text));
    }

    /// <summary>Reads a model and links it.</summary>
    /// <param name="text">The model as text.</param>
    /// <param name="path">The .onnx file beside which its external data lies; null where there is none.</param>
    /// <exception cref="ModelRefusedException">The text does not follow the syntax, or the graph is malformed.</exception>
    public static OnnxModel Load(string text, string? path = null) => ModelLoader.FromProto(Parse(text), path);

    /// <summary>Prints a model; tensors in external data files are printed as the references that they are.</summary>
    /// <param name="model">The model.</param>
    /// <param name="maximumElements">Larger tensors inside the model are printed as <c>{...}</c>, which cannot be read back; null prints them all.</param>
    /// <exception cref="ModelRefusedException">The model holds what the syntax has no place for.</exception>
    public static string Print(ModelProto model, long? maximumElements = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        TextOutput output = new(maximumElements);
        ModelSyntax.Print(model, output);
        return output.ToString();
    }

    /// <inheritdoc cref="Print(ModelProto, long?)"/>
    public static string Print(OnnxModel model, long? maximumElements = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Print(model.ToProto(), maximumElements);
    }
}
