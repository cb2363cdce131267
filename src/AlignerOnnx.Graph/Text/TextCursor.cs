namespace AlignerOnnx.Graph.Text;

/// <summary>A place in a text that is being read: skips spaces and comments, takes characters, and says where and why reading cannot go on.</summary>
internal sealed partial class TextCursor(string text)
{
    private const int LongestExcerpt = 30;

    private int _position;
    private int _depth;

    /// <summary>Whether nothing but spaces and comments is left.</summary>
    public bool AtEnd => Peek() == '\0' && _position == text.Length;

    /// <summary>The next character behind spaces and comments; NUL at the end of the text.</summary>
    public char Peek()
    {
        SkipSpace();
        return Current;
    }

    /// <summary>Takes a character if it is the next one.</summary>
    public bool TryTake(char character)
    {
        bool found = Peek() == character && _position < text.Length;
        _position += found ? 1 : 0;
        return found;
    }

    /// <summary>Takes a character.</summary>
    /// <exception cref="ModelRefusedException">Another one follows.</exception>
    public void Take(char character)
    {
        if (!TryTake(character))
        {
            throw Refuse($"'{character}'");
        }
    }

    /// <summary>Takes the arrow between inputs and outputs.</summary>
    public void TakeArrow()
    {
        Peek();
        if (!text.AsSpan(_position).StartsWith("=>"))
        {
            throw Refuse("'=>'");
        }
        _position += 2;
    }

    /// <summary>Reads what stands between brackets, separated by commas; there may be nothing.</summary>
    public void TakeList(char open, char close, Action item)
    {
        Take(open);
        if (!TryTake(close))
        {
            do
            {
                item();
            }
            while (TryTake(','));
            Take(close);
        }
    }

    /// <summary>Reads a part that may contain parts of its own kind.</summary>
    /// <exception cref="ModelRefusedException">Parts are nested too deep.</exception>
    public T Nested<T>(Func<TextCursor, T> part)
    {
        if (_depth == OnnxText.MaximumDepth)
        {
            throw Refuse($"graphs and types nested at most {OnnxText.MaximumDepth} deep");
        }
        _depth++;
        T result = part(this);
        _depth--;
        return result;
    }

    /// <summary>The refusal of what follows.</summary>
    public ModelRefusedException Refuse(string expected) => RefuseAt(Mark(), expected);

    /// <summary>The place behind spaces and comments, for a refusal of what follows after it has been read.</summary>
    public int Mark()
    {
        SkipSpace();
        return _position;
    }

    /// <summary>The refusal of what stands at a marked place.</summary>
    public ModelRefusedException RefuseAt(int mark, string expected)
    {
        int line = text.AsSpan(0, mark).Count('\n') + 1;
        int column = mark - (mark == 0 ? -1 : text.LastIndexOf('\n', mark - 1));
        return new ModelRefusedException("The ONNX text cannot be read", $"line {line}, column {column}", Excerpt(mark), expected, "see onnx/docs/Syntax.md for the syntax");
    }

    private char Current => _position < text.Length ? text[_position] : '\0';

    private string Excerpt(int position)
    {
        if (position == text.Length)
        {
            return "the end of the text";
        }
        int end = text.AsSpan(position).IndexOfAny("\r\n");
        ReadOnlySpan<char> line = end < 0 ? text.AsSpan(position) : text.AsSpan(position, end);
        return line.Length > LongestExcerpt ? $"{line[..LongestExcerpt]}..." : line.ToString();
    }

    private void SkipSpace()
    {
        while (_position < text.Length)
        {
            if (Current == '#')
            {
                int end = text.IndexOf('\n', _position);
                _position = end < 0 ? text.Length : end;
            }
            else if (Current is ' ' or (>= '\t' and <= '\r'))
            {
                _position++;
            }
            else
            {
                return;
            }
        }
    }
}
