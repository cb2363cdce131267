using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>Where a row stands.</summary>
/// <param name="File">The data file.</param>
/// <param name="Place">The place in it: <c>line 12</c> (JSON lines) or <c>row 12</c> (JSON array, Parquet); both count from 1.</param>
internal sealed record DataPlace(string File, string Place)
{
    /// <summary>The refusal of this row.</summary>
    public DataRefusedException Refuse(string what, string found, string expected, string remedy, Exception? inner = null) =>
        new(what, $"{File}, {Place}", found, expected, remedy, inner);
}
