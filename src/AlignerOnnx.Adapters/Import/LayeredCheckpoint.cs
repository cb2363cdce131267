using System.Globalization;
using System.Text.RegularExpressions;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Adapters;

/// <summary>
/// Reads tokens and gates from a dictionary that has them layer by layer: the authors' Aligner in lit-llama, whose layers name one tensor of tokens; LLaMA-Adapters of lit-llama, litgpt and PEFT,
/// whose layers have tokens of their own and are one adapter only where these are equal in every layer. All of them add a gated softmax over tokens that are neither normed nor rotated, without tanh.
/// </summary>
internal static partial class LayeredCheckpoint
{
    private const string Shared = "global_value_embedding.weight";

    /// <summary>Puts a dictionary together as one adapter.</summary>
    /// <param name="tensors">The tensors by name.</param>
    /// <param name="source">The file, for refusals.</param>
    /// <exception cref="AdapterRefusedException">A tensor is missing, is of another kind, or the layers are not one adapter.</exception>
    public static ForeignAdapter Read(IReadOnlyDictionary<string, ForeignTensor> tensors, string source)
    {
        SortedDictionary<int, ForeignTensor> tokens = [], gates = [];
        ForeignTensor? shared = null;
        foreach ((string name, ForeignTensor tensor) in tensors)
        {
            if (name == Shared)
            {
                shared = tensor;
                continue;
            }
            (SortedDictionary<int, ForeignTensor> kind, int layer) =
                TokensOfLayer.Match(name) is { Success: true } prompt ? (tokens, LayerOf(prompt, name, source))
                : GatesOfLayer.Match(name) is { Success: true } gate ? (gates, LayerOf(gate, name, source))
                : throw Refused("The checkpoint holds other tensors than tokens and gates", source, $"'{name}' {tensor}", "tokens and gates of each layer, as the authors' code, lit-llama, litgpt or PEFT's adaption_prompt name them", "save only these");
            if (!kind.TryAdd(layer, tensor))
            {
                throw Refused("The checkpoint has a layer twice", source, $"'{name}'", "one of each layer", "get the checkpoint again");
            }
        }
        RequireLayers(tokens, gates, shared, source);
        foreach ((string name, ForeignTensor tensor) in tensors)
        {
            RequireFinite(name, tensor, source);
        }
        return new ForeignAdapter(gates.Keys.First(), gates.Keys.Last() + 1, OneOf(tokens, shared, source), Rows(gates, source));
    }

    private static void RequireLayers(SortedDictionary<int, ForeignTensor> tokens, SortedDictionary<int, ForeignTensor> gates, ForeignTensor? shared, string source)
    {
        if (gates.Count == 0 || (tokens.Count == 0 && shared is null))
        {
            throw Refused("The checkpoint has no tokens and gates", source, $"tokens of {tokens.Count} layers, gates of {gates.Count}", "both of each adapted layer", "name a checkpoint of an Aligner or LLaMA-Adapter");
        }
        if (tokens.Count > 0 && !tokens.Keys.SequenceEqual(gates.Keys))
        {
            throw Refused("Layers have tokens without gates or gates without tokens", source, $"tokens of layers {string.Join(' ', tokens.Keys)}", $"those of the gates: {string.Join(' ', gates.Keys)}", "get the checkpoint again");
        }
        if (gates.Keys.Last() - gates.Keys.First() != gates.Count - 1)
        {
            throw Refused("Layers between adapted ones are not adapted", source, $"layers {string.Join(' ', gates.Keys)}", "every layer from the first adapted one to the model's last", "an adapter cannot leave out layers: train it from a start layer on");
        }
    }

    /// <summary>The tokens that all layers share.</summary>
    private static ForeignTensor OneOf(SortedDictionary<int, ForeignTensor> tokens, ForeignTensor? shared, string source)
    {
        (int firstLayer, ForeignTensor first) = shared is null ? (tokens.Keys.First(), tokens.Values.First()) : (-1, shared);
        long[] shape = [.. first.Shape.Where((size, axis) => first.Shape.Count < 3 || axis > 0 || size != 1)];
        if (shape is not [> 0 and <= 4096, > 0 and <= 1 << 20])
        {
            throw Refused("The tokens have another shape", source, first.ToString(), "[N,d] or [1,N,d], N at most 4096", "get the checkpoint again");
        }
        foreach ((int layer, ForeignTensor tensor) in tokens)
        {
            int differs = tensor.Values.AsSpan().CommonPrefixLength(first.Values);
            if (differs < first.Values.Length || tensor.Values.Length != first.Values.Length)
            {
                string place = firstLayer < 0 ? Shared : $"layer {firstLayer}";
                string numbers = differs < Math.Min(first.Values.Length, tensor.Values.Length)
                    ? string.Create(CultureInfo.InvariantCulture, $"element {differs} is {tensor.Values[differs]:R} in layer {layer} and {first.Values[differs]:R} in {place}")
                    : $"{tensor} in layer {layer} and {first} in {place}";
                throw Refused("Each layer has tokens of its own", source, numbers, "the same tokens in every layer, which is what an Aligner adapter has",
                    "a LLaMA-Adapter cannot become an Aligner adapter without loss: train one with `aligner train`, which has a fraction of the numbers");
            }
        }
        return new ForeignTensor(shape, first.Values);
    }

    /// <summary>One row a layer: a gate for each head, or one for all of them.</summary>
    private static ForeignTensor Rows(SortedDictionary<int, ForeignTensor> gates, string source)
    {
        int heads = gates.Values.First().Values.Length;
        foreach ((int layer, ForeignTensor gate) in gates)
        {
            if (heads is < 1 or > 4096 || gate.Values.Length != heads || gate.Shape.Count(size => size != 1) > 1)
            {
                throw Refused("The gates have another shape", source, $"{gate} in layer {layer}", $"[1,{heads},1,1] in every layer: one for each head, or one for all", "get the checkpoint again");
            }
        }
        return new ForeignTensor([gates.Count, heads], [.. gates.Values.SelectMany(gate => gate.Values)]);
    }

    private static void RequireFinite(string name, ForeignTensor tensor, string source)
    {
        int bad = Array.FindIndex(tensor.Values, number => !float.IsFinite(number));
        if (bad >= 0)
        {
            throw Refused("The checkpoint holds numbers that are not finite", $"{source}, '{name}', element {bad}", $"{tensor.Values[bad]}", "finite numbers", "train it again; the training diverged");
        }
    }

    private static int LayerOf(Match match, string name, string source) => int.TryParse(match.Groups[1].Value, NumberStyles.None, CultureInfo.InvariantCulture, out int layer) && layer < 4096
        ? layer
        : throw Refused("The checkpoint names a layer that no model has", source, $"'{name}'", "layers below 4096", "get the checkpoint again");

    private static AdapterRefusedException Refused(string what, string where, string found, string expected, string remedy) => new(what, where, found, expected, remedy);

    /// <summary>lit-llama and litgpt, then PEFT.</summary>
    [GeneratedRegex(@"^transformer\.h\.(\d+)\.attn\.adapter_wte\.weight$|(?:^|\.)layers\.(?<1>\d+)\.self_attn\.adaption_prompt$", RegexOptions.CultureInvariant)]
    private static partial Regex TokensOfLayer { get; }

    [GeneratedRegex(@"^transformer\.h\.(\d+)\.attn\.gating_factor$|(?:^|\.)layers\.(?<1>\d+)\.self_attn\.adaption_gate$", RegexOptions.CultureInvariant)]
    private static partial Regex GatesOfLayer { get; }
}
