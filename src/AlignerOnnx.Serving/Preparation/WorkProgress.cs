namespace AlignerOnnx.Serving;

/// <summary>How far work has come that is not a step of training.</summary>
/// <param name="What">What is made, in the plural.</param>
/// <param name="Done">How many of it are made, 1 .. <paramref name="Count"/>.</param>
/// <param name="Count">How many will be.</param>
/// <param name="Elapsed">Time so far.</param>
public sealed record WorkProgress(string What, int Done, int Count, TimeSpan Elapsed)
{
    /// <summary>The time that the rest will take at the speed so far.</summary>
    public TimeSpan Left => Elapsed / Done * (Count - Done);
}
