using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>
/// One checkpoint as a safetensors file: tokens, gates, their moments, losses, the best evaluation's tokens and gates, and the facts as JSON in the bytes of a
/// tensor <c>facts</c>. The file appears complete or not at all.
/// </summary>
public static class CheckpointFile
{
    private const long MaximumBytes = 1L << 30;
    private const string Facts = "facts";
    private static readonly string[] Moments = ["tokens.first_moment", "gates.first_moment", "tokens.second_moment", "gates.second_moment"];

    /// <summary>Writes a checkpoint.</summary>
    /// <param name="path">The file; one that exists is replaced once the new one is on disk.</param>
    /// <param name="checkpoint">What to write.</param>
    /// <param name="keepAs">The name that an older checkpoint gets; null replaces it.</param>
    /// <exception cref="IOException">The disk is full or the file cannot be written; an older file of that name stays as it is.</exception>
    public static void Write(string path, Checkpoint checkpoint, string? keepAs = null)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        List<SafetensorsTensor> arrays = ArraysOf(checkpoint.State);
        byte[] facts = JsonSerializer.SerializeToUtf8Bytes(FactsOf(checkpoint, HashOf(arrays)), CheckpointJson.Default.CheckpointFacts);
        try
        {
            AtomicOutput.WriteFile(path, stream => SafetensorsFile.Write(stream, [.. arrays, new SafetensorsTensor(Facts, "U8", [facts.Length], facts)]), keepAs);
        }
        // .NET says of a file that outgrows a limit of the system that an argument is out of range.
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException)
        {
            throw new IOException($"The checkpoint cannot be written.\n  where: {path}\n  found: {failure.Message}\n  what to do: make room on the disk and continue with --resume; the previous checkpoint is still there", failure);
        }
    }

    /// <summary>Reads a checkpoint.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CheckpointRefusedException">The file is missing, too large or damaged.</exception>
    public static Checkpoint Read(string path)
    {
        try
        {
            IReadOnlyDictionary<string, SafetensorsTensor> arrays = SafetensorsFile.Read(path, MaximumBytes);
            CheckpointFacts facts = JsonSerializer.Deserialize(arrays[Facts].Data.Span, CheckpointJson.Default.CheckpointFacts) ?? throw new JsonException("null");
            return Assemble(facts, arrays);
        }
        catch (Exception damage) when (damage is AdapterRefusedException or JsonException or KeyNotFoundException or ArgumentException or InvalidOperationException or IOException)
        {
            throw new CheckpointRefusedException("the checkpoint is damaged", path, damage.Message, "a checkpoint of this version", "remove it; the previous one is used then", damage);
        }
    }

    private static Checkpoint Assemble(CheckpointFacts facts, IReadOnlyDictionary<string, SafetensorsTensor> arrays)
    {
        string hash = HashOf(arrays.Values.Where(array => array.Name != Facts));
        if (facts.Version != CheckpointFacts.CurrentVersion || hash != facts.ArraysHash)
        {
            throw new InvalidOperationException($"version {facts.Version}, arrays of SHA-256 {hash}; expected version {CheckpointFacts.CurrentVersion} and {facts.ArraysHash}");
        }
        AdapterParameters parameters = ParametersOf(arrays, "");
        AdamWState? optimizer = arrays.ContainsKey(Moments[0])
            ? new AdamWState(facts.OptimizerSteps, [Doubles(arrays[Moments[0]]), Doubles(arrays[Moments[1]])], [Doubles(arrays[Moments[2]]), Doubles(arrays[Moments[3]])])
            : null;
        BestEvaluation? best = facts is { BestStep: int step, BestMeasures: EvaluationMeasures measures } ? new BestEvaluation(step, measures, ParametersOf(arrays, "best.")) : null;
        TrainingState state = new(parameters, optimizer, Doubles(arrays["losses"])) { Best = best, EvaluationsSinceBest = facts.EvaluationsSinceBest };
        return new Checkpoint(facts.Identity, state, facts.RandomState, facts.DataCursor);
    }

    private static CheckpointFacts FactsOf(Checkpoint checkpoint, string hash) => new()
    {
        Version = CheckpointFacts.CurrentVersion,
        Identity = checkpoint.Identity,
        OptimizerSteps = checkpoint.State.Optimizer?.StepCount ?? 0,
        RandomState = checkpoint.RandomState,
        DataCursor = checkpoint.DataCursor,
        EvaluationsSinceBest = checkpoint.State.EvaluationsSinceBest,
        BestStep = checkpoint.State.Best?.Step,
        BestMeasures = checkpoint.State.Best?.Measures,
        ArraysHash = hash,
    };

    private static List<SafetensorsTensor> ArraysOf(TrainingState state)
    {
        List<SafetensorsTensor> arrays = [.. ArraysOf(state.Parameters, ""), Doubles("losses", [.. state.Losses])];
        if (state.Optimizer is AdamWState optimizer)
        {
            arrays.AddRange(optimizer.FirstMoments.Concat(optimizer.SecondMoments).Select((moments, index) => Doubles(Moments[index], moments)));
        }
        if (state.Best is BestEvaluation best)
        {
            arrays.AddRange(ArraysOf(best.Parameters, "best."));
        }
        return arrays;
    }

    private static SafetensorsTensor[] ArraysOf(AdapterParameters parameters, string prefix) =>
    [
        SafetensorsTensor.Of($"{prefix}tokens", parameters.Tokens, parameters.Shape.TokenCount, parameters.Shape.HiddenSize),
        SafetensorsTensor.Of($"{prefix}gates", parameters.Gates, parameters.Shape.AdaptedLayers, parameters.Shape.HeadCount),
    ];

    private static AdapterParameters ParametersOf(IReadOnlyDictionary<string, SafetensorsTensor> arrays, string prefix)
    {
        SafetensorsTensor tokens = arrays[$"{prefix}tokens"];
        SafetensorsTensor gates = arrays[$"{prefix}gates"];
        return tokens.Shape.Count == 2 && gates.Shape.Count == 2
            ? new AdapterParameters(new AdapterShape((int)tokens.Shape[0], (int)tokens.Shape[1], (int)gates.Shape[0], (int)gates.Shape[1]), tokens.ToSingles(), gates.ToSingles())
            : throw new InvalidOperationException($"tokens of {tokens.Shape.Count} and gates of {gates.Shape.Count} dimensions; expected 2");
    }

    private static SafetensorsTensor Doubles(string name, double[] values) => new(name, "F64", [values.Length], MemoryMarshal.AsBytes<double>(values).ToArray());

    private static double[] Doubles(SafetensorsTensor array) => array.DataType == "F64"
        ? MemoryMarshal.Cast<byte, double>(array.Data.Span).ToArray()
        : throw new InvalidOperationException($"'{array.Name}' is of {array.DataType}; expected F64");

    private static string HashOf(IEnumerable<SafetensorsTensor> arrays)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (SafetensorsTensor array in arrays.OrderBy(array => array.Name, StringComparer.Ordinal))
        {
            hash.AppendData(array.Data.Span);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
