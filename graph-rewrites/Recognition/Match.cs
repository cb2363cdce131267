using System.Diagnostics.CodeAnalysis;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>What a recogniser answers: what it found, or why not.</summary>
/// <typeparam name="T">What was looked for.</typeparam>
public sealed class Match<T>
    where T : class
{
    private Match(T? found, string? reason, string? culprit)
    {
        Found = found;
        Reason = reason;
        Culprit = culprit;
    }

    /// <summary>What was found; null where it was not.</summary>
    public T? Found { get; }

    /// <summary>Why it was not found; null where it was.</summary>
    public string? Reason { get; }

    /// <summary>The value or node that stands in the way; null where it was found.</summary>
    public string? Culprit { get; }

    /// <summary>Whether it was found.</summary>
    [MemberNotNullWhen(true, nameof(Found))]
    [MemberNotNullWhen(false, nameof(Reason), nameof(Culprit))]
    public bool Success => Found is not null;

    /// <summary>It was found.</summary>
    public static implicit operator Match<T>(T found) => new(found, null, null);

    /// <summary>It was not found.</summary>
    /// <param name="reason">Why, as a clause: "the query is not the output of a projection".</param>
    /// <param name="culprit">The value or node that stands in the way.</param>
    internal static Match<T> Fail(string reason, object? culprit) => new(null, reason, culprit?.ToString() ?? "(absent)");

    /// <summary>The same failure, of another search.</summary>
    internal static Match<T> Fail<TOther>(Match<TOther> other)
        where TOther : class => new(null, other.Reason, other.Culprit);
}
