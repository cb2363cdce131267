using System.Globalization;
using System.Text;
using Google.Protobuf;

namespace AlignerOnnx.Graph.Text;

/// <summary>A text that is being printed.</summary>
/// <param name="maximumElements">Tensors with more elements are elided; null prints all.</param>
internal sealed class TextOutput(long? maximumElements)
{
    // More than these on one line are hard to read.
    private const int ShortList = 4;
    private const string Indentation = "   ";

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);
    private readonly StringBuilder _text = new();
    private int _depth;
    private int _indent;

    /// <summary>Whether a tensor with so many elements is elided.</summary>
    public bool Elides(long elements) => elements > maximumElements;

    /// <summary>Prints words of the syntax.</summary>
    public TextOutput Write(string text)
    {
        _text.Append(text);
        return this;
    }

    /// <summary>Prints an integer.</summary>
    public TextOutput Write(long number)
    {
        _text.Append(number);
        return this;
    }

    /// <summary>Prints a name, quoted where it is no identifier or could be taken for a type or a number.</summary>
    public TextOutput Name(string name) => TextNames.IsPlain(name) ? Write(name) : Quoted(name);

    /// <summary>Prints a string.</summary>
    public TextOutput Quoted(string text) => Write("\"").Write(text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)).Write("\"");

    /// <summary>Prints a string that is stored as bytes.</summary>
    /// <exception cref="ModelRefusedException">The bytes are not UTF-8.</exception>
    public TextOutput Quoted(ByteString bytes, string where)
    {
        try
        {
            return Quoted(StrictUtf8.GetString(bytes.Span));
        }
        catch (DecoderFallbackException binary)
        {
            throw new ModelRefusedException("The ONNX text syntax has no place for a string that is not UTF-8", where, $"{bytes.Length} bytes", "UTF-8", "keep this model as an .onnx file", binary);
        }
    }

    /// <summary>Prints a float32 so that reading it gives the same number.</summary>
    public TextOutput Number(float number) => Write(Shortest(number));

    /// <summary>Prints a float64 so that reading it gives the same number.</summary>
    public TextOutput Number(double number) => Write(double.IsFinite(number) ? number.ToString("R", CultureInfo.InvariantCulture) : Word(number));

    /// <summary>Prints a float32 so that it is not taken for an integer.</summary>
    public TextOutput Fraction(float number)
    {
        string text = Shortest(number);
        return Write(TextNames.IsInteger(text) ? $"{text}.0" : text);
    }

    /// <summary>Begins a line.</summary>
    public TextOutput Line()
    {
        _text.Append('\n').Insert(_text.Length, Indentation, _indent);
        return this;
    }

    /// <summary>Prints a list between brackets on one line.</summary>
    public TextOutput List<T>(string open, IEnumerable<T> items, string close, Action<T> print) => List(open, items, ", ", close, print);

    /// <summary>Prints a list between brackets, one item a line where there are many.</summary>
    public TextOutput LongList<T>(string open, IReadOnlyCollection<T> items, string close, Action<T> print) => items.Count <= ShortList
        ? List(open, items, close, print)
        : Indented(() => List(open, items, ",", close, item =>
        {
            Line();
            print(item);
        }));

    /// <summary>Prints with the lines of it indented by one step more.</summary>
    public TextOutput Indented(Action print)
    {
        _indent++;
        print();
        _indent--;
        return this;
    }

    /// <summary>Prints a part that may contain parts of its own kind.</summary>
    /// <exception cref="ModelRefusedException">Parts are nested too deep.</exception>
    public void Nested(Action print)
    {
        if (_depth == OnnxText.MaximumDepth)
        {
            throw new ModelRefusedException("The model is nested too deep", found: $"more than {OnnxText.MaximumDepth} graphs or types in each other", expected: $"at most {OnnxText.MaximumDepth}");
        }
        _depth++;
        print();
        _depth--;
    }

    /// <inheritdoc/>
    public override string ToString() => _text.ToString();

    private TextOutput List<T>(string open, IEnumerable<T> items, string separator, string close, Action<T> print)
    {
        Write(open);
        bool first = true;
        foreach (T item in items)
        {
            Write(first ? "" : separator);
            print(item);
            first = false;
        }
        return Write(close);
    }

    private static string Shortest(float number) => float.IsFinite(number) ? number.ToString("R", CultureInfo.InvariantCulture) : Word(number);

    private static string Word(double number) => (double.IsNegative(number) ? "-" : "") + (double.IsNaN(number) ? "nan" : "inf");
}
