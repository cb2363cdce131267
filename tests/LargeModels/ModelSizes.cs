namespace AlignerOnnx.LargeModels;

/// <summary>The sizes of a model of the LLaMA family.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Layers">L.</param>
/// <param name="Hidden">d.</param>
/// <param name="QueryHeads">H.</param>
/// <param name="KeyValueHeads">G.</param>
/// <param name="Inner">The width of the feed-forward layers.</param>
internal sealed record ModelSizes(string Name, int Layers, long Hidden, long QueryHeads, long KeyValueHeads, long Inner)
{
    public const long Vocabulary = 32000;

    public const long Context = 4096;

    public static IReadOnlyList<ModelSizes> All { get; } =
    [
        new("LLaMA-2-7B", 32, 4096, 32, 32, 11008),
        new("LLaMA-2-70B", 80, 8192, 64, 8, 28672),
    ];

    public long HeadSize => Hidden / QueryHeads;
}
