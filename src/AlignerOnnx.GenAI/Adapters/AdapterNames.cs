namespace AlignerOnnx.GenAI;

/// <summary>What is said of names that cannot be used.</summary>
internal static class AdapterNames
{
    internal static ArgumentException Taken(string name) => new($"An adapter named {name} is loaded already; unload it first.", nameof(name));

    internal static ArgumentException Unknown(string name, IReadOnlyCollection<string> loaded) =>
        new($"No adapter named {name} is loaded. Loaded: {(loaded.Count == 0 ? "none" : string.Join(", ", loaded))}.", nameof(name));
}
