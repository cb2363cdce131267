using AlignerOnnx.Adapters;
using AlignerOnnx.GraphRewrites.Injection;
using SharpFuzz;

namespace AlignerOnnx.ModelFuzz;

/// <summary>The target for libFuzzer and AFL++, whose changes are led by what the instrumented assemblies reach. The last two bytes of an input say which slots it gets and whose data files lie beside it.</summary>
internal static class CoverageGuided
{
    // Not before the first input: instrumented code runs only behind the fuzzer's memory.
    private static readonly Lazy<IReadOnlyList<Seed>> LaidOut = new(() => Seeds.In(Directory.CreateTempSubdirectory("aligner-fuzz-").FullName));

    /// <summary>Answers libfuzzer-dotnet, which started this process.</summary>
    public static void RunLibFuzzer()
    {
        Fuzzer.LibFuzzer.Run(Try);
    }

    /// <summary>Answers afl-fuzz, which started this process.</summary>
    public static void RunAfl()
    {
        Fuzzer.OutOfProcess.Run(stream =>
        {
            using MemoryStream input = new();
            stream.CopyTo(input);
            Try(input.ToArray());
        });
    }

    private static void Try(ReadOnlySpan<byte> input)
    {
        if (input.Length < 2)
        {
            return;
        }
        IReadOnlyList<Seed> seeds = LaidOut.Value;
        string file = seeds[input[^1] % seeds.Count].File;
        File.WriteAllBytes(file, input[..^2]);
        Target.Run(file, SlotLayouts.All[input[^2] % SlotLayouts.All.Count], WeightCopy.Link);
    }

    /// <summary>Writes the seeds in the form of inputs.</summary>
    public static void WriteCorpus(string folder)
    {
        Directory.CreateDirectory(folder);
        string scratch = Directory.CreateTempSubdirectory("aligner-fuzz-").FullName;
        foreach ((Seed seed, int number) in Seeds.In(scratch).Select((seed, number) => (seed, number)))
        {
            foreach (SlotLayout layout in SlotLayouts.All)
            {
                File.WriteAllBytes(Path.Combine(folder, $"seed-{number}-{SlotLayouts.NameOf(layout)}"), [.. seed.Model, (byte)layout, (byte)number]);
            }
        }
        Directory.Delete(scratch, recursive: true);
    }
}
