using System.Globalization;
using System.Text;

namespace AlignerOnnx.Graph.Text;

/// <content>Identifiers, strings and numbers.</content>
internal sealed partial class TextCursor
{
    /// <summary>The identifier that follows, which is not taken; empty where none follows.</summary>
    public ReadOnlySpan<char> PeekIdentifier()
    {
        Peek();
        int length = 0;
        while (_position + length < text.Length && TextNames.IsIdentifierPart(text[_position + length], first: length == 0))
        {
            length++;
        }
        return text.AsSpan(_position, length);
    }

    /// <summary>Takes an identifier.</summary>
    public string Identifier(string expected)
    {
        string identifier = PeekIdentifier().ToString();
        _position += identifier.Length;
        return identifier.Length > 0 ? identifier : throw Refuse(expected);
    }

    /// <summary>Takes a word if it is the identifier that follows.</summary>
    public bool TryTakeIdentifier(string word)
    {
        bool found = PeekIdentifier().SequenceEqual(word);
        _position += found ? word.Length : 0;
        return found;
    }

    /// <summary>Whether an identifier or a string follows.</summary>
    public bool NextIsName => Peek() == '"' || PeekIdentifier().Length > 0;

    /// <summary>Takes an identifier or a string: a name.</summary>
    public string Name(string expected) => Peek() == '"' ? String(expected) : Identifier(expected);

    /// <summary>Takes names separated by commas, of which some may be empty: nothing before a comma, or an empty string.</summary>
    public IEnumerable<string> Names()
    {
        while (NextIsName || Peek() == ',')
        {
            yield return NextIsName ? Name("a name") : "";
            if (!TryTake(','))
            {
                yield break;
            }
        }
    }

    /// <summary>Takes a string; a backslash makes the next character stand for itself.</summary>
    public string String(string expected)
    {
        int start = Mark();
        if (!TryTake('"'))
        {
            throw RefuseAt(start, expected);
        }
        StringBuilder content = new();
        while (Current != '"')
        {
            _position += Current == '\\' ? 1 : 0;
            if (_position >= text.Length)
            {
                throw RefuseAt(start, "a string that ends with a quotation mark");
            }
            content.Append(text[_position++]);
        }
        _position++;
        return content.ToString();
    }

    /// <summary>Whether a number follows that is not an integer: one with a point or an exponent, or a word for infinity or NaN.</summary>
    public bool NextIsFraction
    {
        get
        {
            int start = _position;
            bool fraction = TryNumber(out ReadOnlySpan<char> number) && !TextNames.IsInteger(number);
            _position = start;
            return fraction;
        }
    }

    /// <summary>Takes an integer within bounds.</summary>
    public long Integer(string expected, long minimum = long.MinValue, long maximum = long.MaxValue)
    {
        int start = Mark();
        return TryNumber(out ReadOnlySpan<char> number) && long.TryParse(number, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value) && value >= minimum && value <= maximum
            ? value
            : throw RefuseAt(start, minimum == long.MinValue ? expected : $"{expected} from {minimum} to {maximum}");
    }

    /// <summary>Takes an unsigned integer of 64 bits.</summary>
    public ulong Unsigned(string expected)
    {
        int start = Mark();
        return TryNumber(out ReadOnlySpan<char> number) && ulong.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) ? value : throw RefuseAt(start, expected);
    }

    /// <summary>Takes a number as float32.</summary>
    public float Single(string expected)
    {
        int start = Mark();
        return !TryNumber(out ReadOnlySpan<char> number) ? throw RefuseAt(start, expected)
            : Word(number) is { } word ? (float)word
            : float.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out float value) && float.IsFinite(value) ? value
            : throw RefuseAt(start, $"{expected} in the range of float32");
    }

    /// <summary>Takes a number as float64.</summary>
    public double Double(string expected)
    {
        int start = Mark();
        return !TryNumber(out ReadOnlySpan<char> number) ? throw RefuseAt(start, expected)
            : Word(number) is { } word ? word
            : double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value) ? value
            : throw RefuseAt(start, $"{expected} in the range of float64");
    }

    private static double? Word(ReadOnlySpan<char> number) => number.TrimStart('-') switch
    {
        var word when word.Equals("nan", StringComparison.OrdinalIgnoreCase) => number[0] == '-' ? -TextNames.PositiveNaN : TextNames.PositiveNaN,
        var word when word.Equals("inf", StringComparison.OrdinalIgnoreCase) || word.Equals("infinity", StringComparison.OrdinalIgnoreCase) =>
            number[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity,
        _ => null,
    };

    /// <summary>Takes -? (digits (. digits?)? (e sign? digits)? | nan | inf | infinity); takes nothing where none of them follows.</summary>
    private bool TryNumber(out ReadOnlySpan<char> number)
    {
        int start = Mark();
        _position += Current == '-' ? 1 : 0;
        bool found = TryDigits();
        if (found)
        {
            TakeFraction();
        }
        else if (text.AsSpan(_position).Length > 0 && TextNames.IsNumberWord(PeekIdentifier()))
        {
            _position += PeekIdentifier().Length;
            found = true;
        }
        number = text.AsSpan(start, found ? _position - start : 0);
        _position = found ? _position : start;
        return found;
    }

    private bool TryDigits()
    {
        int start = _position;
        while (char.IsAsciiDigit(Current))
        {
            _position++;
        }
        return _position > start;
    }

    private void TakeFraction()
    {
        if (Current == '.')
        {
            _position++;
            TryDigits();
        }
        if (Current is 'e' or 'E')
        {
            _position++;
            _position += Current is '+' or '-' ? 1 : 0;
            TryDigits();
        }
    }
}
