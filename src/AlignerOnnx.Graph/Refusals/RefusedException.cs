using System.Text;

namespace AlignerOnnx.Graph;

/// <summary>Input that cannot be used: says what is wrong, where, what was found, what was expected and what to do.</summary>
public abstract class RefusedException : Exception
{
    /// <summary>Makes the exception; parts that do not apply are null.</summary>
    /// <param name="what">What is wrong, one sentence without a full stop.</param>
    /// <param name="where">File, node, value or line.</param>
    /// <param name="found">What stands there.</param>
    /// <param name="expected">What would have been accepted.</param>
    /// <param name="remedy">What the user can do.</param>
    /// <param name="inner">The failure underneath, if one was caught.</param>
    protected RefusedException(string what, string? where, string? found, string? expected, string? remedy, Exception? inner)
        : base(Compose(what, where, found, expected, remedy), inner)
    {
        What = what;
        Where = where;
        Found = found;
        Expected = expected;
        Remedy = remedy;
    }

    /// <summary>What is wrong.</summary>
    public string What { get; }

    /// <summary>File, node, value or line; null where there is none.</summary>
    public string? Where { get; }

    /// <summary>What stands there; null where that is already said.</summary>
    public string? Found { get; }

    /// <summary>What would have been accepted.</summary>
    public string? Expected { get; }

    /// <summary>What the user can do.</summary>
    public string? Remedy { get; }

    private static string Compose(string what, string? where, string? found, string? expected, string? remedy)
    {
        StringBuilder text = new(what);
        Append("where", where);
        Append("found", found);
        Append("expected", expected);
        Append("what to do", remedy);
        return text.ToString();

        void Append(string label, string? part)
        {
            if (part is not null)
            {
                text.Append('\n').Append("  ").Append(label).Append(": ").Append(part);
            }
        }
    }
}
