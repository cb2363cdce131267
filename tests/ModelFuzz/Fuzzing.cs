using System.Diagnostics;
using AlignerOnnx.Adapters;
using AlignerOnnx.GraphRewrites.Injection;

namespace AlignerOnnx.ModelFuzz;

/// <summary>The loop: change an export, take it through the target, and keep every input that does not end in success or a refusal, takes too long or too much memory.</summary>
internal sealed class Fuzzing(int seed, string output)
{
    // Patching the largest seed takes 20 ms and 40 MB when the machine is idle.
    private const long MostBytes = 256L << 20;
    private static readonly TimeSpan Slow = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Hung = TimeSpan.FromMinutes(5);

    private readonly Findings _findings = new(output);
    private readonly Dictionary<string, long> _refusals = new(StringComparer.Ordinal);
    private readonly long[] _patched = new long[SlotLayouts.All.Count];
    private long _started = Stopwatch.GetTimestamp();

    public int Run(long inputs)
    {
        string scratch = ScratchFolder();
        IReadOnlyList<Seed> seeds = Seeds.In(scratch);
        Console.WriteLine($"seed {seed}, {inputs:N0} inputs from {seeds.Count} models, in {scratch}");
        foreach (Seed each in seeds)
        {
            foreach (SlotLayout layout in SlotLayouts.All)
            {
                Try(each, each.Model, layout, $"{each.Name} unchanged");
            }
        }
        Chooser chooser = new(seeds);
        using Timer watchdog = new(_ => EndIfHung(), null, Hung, TimeSpan.FromSeconds(5));
        Stopwatch watch = Stopwatch.StartNew();
        TimeSpan told = TimeSpan.Zero;
        for (long i = 1; i <= inputs; i++)
        {
            // Each input has its own generator: it can be made again without those before it.
            Random random = new(unchecked((int)((i * 0x9E3779B1) ^ (seed * 0x85EBCA6BL))));
            Seed parent = chooser.Next(random);
            Try(parent, new Mutator(random, seeds).Mutate(parent.Model), SlotLayouts.All[random.Next(SlotLayouts.All.Count)], $"seed {seed}, input {i}, from {parent.Name}");
            if (watch.Elapsed - told > TimeSpan.FromSeconds(30) || i == inputs)
            {
                told = watch.Elapsed;
                Console.WriteLine($"{i:N0} inputs in {told.TotalSeconds:N0} s: {string.Join(", ", SlotLayouts.All.Select(layout => $"{SlotLayouts.NameOf(layout)} {_patched[(int)layout]:N0}"))} patched, "
                    + $"{_refusals.Values.Sum():N0} refused for {_refusals.Count} reasons; {_findings.Count} findings");
            }
        }
        foreach ((string reason, long count) in _refusals.OrderByDescending(pair => pair.Value))
        {
            Console.WriteLine($"  {count,10:N0}  {reason}");
        }
        Directory.Delete(scratch, recursive: true);
        return _findings.Count == 0 ? 0 : 1;
    }

    private void Try(Seed parent, byte[] model, SlotLayout layout, string origin)
    {
        File.WriteAllBytes(parent.File, model);
        Interlocked.Exchange(ref _started, Stopwatch.GetTimestamp());
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        string? trouble = null;
        try
        {
            string? refusal = Target.Run(parent.File, layout, layout == SlotLayout.OneToken ? WeightCopy.Copy : WeightCopy.Link);
            if (refusal is null)
            {
                _patched[(int)layout]++;
            }
            else
            {
                _refusals[refusal] = _refusals.GetValueOrDefault(refusal) + 1;
            }
        }
#pragma warning disable CA1031 // Whatever is no refusal is a finding.
        catch (Exception e)
#pragma warning restore CA1031
        {
            trouble = e.ToString();
        }
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        TimeSpan elapsed = Environment.CpuUsage.TotalTime - cpu;
        trouble ??= allocated > MostBytes ? $"Memory: {allocated >> 20} MB" : elapsed > Slow ? $"Time: {elapsed.TotalSeconds:F1} s of a processor" : null;
        if (trouble is not null)
        {
            _findings.Keep(model, $"{origin}, {SlotLayouts.NameOf(layout)}", trouble);
        }
    }

    /// <summary>An input that never ends cannot be stopped, only reported; its file lies in the scratch folder.</summary>
    private void EndIfHung()
    {
        if (Stopwatch.GetElapsedTime(Interlocked.Read(ref _started)) > Hung)
        {
            Console.WriteLine($"FINDING: an input runs for more than {Hung.TotalMinutes} minutes; the newest file in the scratch folder is it");
            Environment.Exit(1);
        }
    }

    /// <summary>In memory where the system has such a folder: an input is written, linked and removed, a thousand times a second.</summary>
    private static string ScratchFolder()
    {
        const string memory = "/dev/shm";
        string folder = Path.Combine(Directory.Exists(memory) ? memory : Path.GetTempPath(), $"aligner-fuzz-{Environment.ProcessId}");
        Directory.CreateDirectory(folder);
        return folder;
    }
}
