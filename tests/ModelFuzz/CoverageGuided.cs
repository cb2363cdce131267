using AlignerOnnx.Adapters;
using AlignerOnnx.GraphRewrites.Injection;
using SharpFuzz;

namespace AlignerOnnx.ModelFuzz;

/// <summary>The target for libFuzzer, whose changes are led by what the instrumented assemblies reach. The last two bytes of an input say which slots it gets and whose data files lie beside it.</summary>
internal static class CoverageGuided
{
    /// <summary>Answers libfuzzer-dotnet, which started this process.</summary>
    public static void Run()
    {
        IReadOnlyList<Seed> seeds = Seeds.In(Directory.CreateTempSubdirectory("aligner-fuzz-").FullName);
        Fuzzer.LibFuzzer.Run(input =>
        {
            if (input.Length < 2)
            {
                return;
            }
            string file = seeds[input[^1] % seeds.Count].File;
            File.WriteAllBytes(file, input[..^2]);
            Target.Run(file, SlotLayouts.All[input[^2] % SlotLayouts.All.Count], WeightCopy.Link);
        });
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
