using System.Diagnostics;

namespace AlignerOnnx.RequestFuzz;

/// <summary>The loop: change a request, send it, and write down every one that the server did not handle.</summary>
internal sealed class Fuzzing(Server server, int seed, string output)
{
    // Uploads touch the disk; most inputs go where most decoding is.
    private const int UploadsInHundred = 5;

    private readonly Random _random = new(seed);
    private readonly SortedDictionary<int, long> _statuses = [];
    private int _findings;

    internal async Task<int> RunAsync(long inputs)
    {
        Mutator mutator = new(_random);
        IReadOnlyList<Seed> uploads = Seeds.Uploads(server.Sample);
        Console.WriteLine($"seed {seed}, {inputs:N0} inputs");
        foreach (Seed each in uploads.Concat(Seeds.Json))
        {
            await TryAsync(each);
        }
        Stopwatch watch = Stopwatch.StartNew();
        TimeSpan told = TimeSpan.Zero;
        for (long i = 1; i <= inputs; i++)
        {
            bool upload = _random.Next(100) < UploadsInHundred;
            Seed parent = upload ? uploads[_random.Next(uploads.Count)] : Seeds.Json[_random.Next(Seeds.Json.Count)];
            await TryAsync(parent with { Body = mutator.Mutate(parent.Body, json: !upload) });
            if (watch.Elapsed - told > TimeSpan.FromSeconds(10) || i == inputs)
            {
                told = watch.Elapsed;
                Console.WriteLine($"{i:N0} inputs in {told.TotalSeconds:N0} s, by status: {string.Join(", ", _statuses.Select(pair => $"{pair.Key}: {pair.Value:N0}"))}; {_findings} findings");
            }
        }
        return _findings == 0 ? 0 : 1;
    }

    private async Task TryAsync(Seed request)
    {
        try
        {
            int status = await server.SendAsync(request.Method, request.Path, request.ContentType, request.Body);
            _statuses[status] = _statuses.GetValueOrDefault(status) + 1;
            if (status == 500)
            {
                Keep(request, "status 500");
            }
        }
#pragma warning disable CA1031 // Whatever comes out of the server is a finding.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Keep(request, e.ToString());
        }
    }

    private void Keep(Seed request, string what)
    {
        _findings++;
        Directory.CreateDirectory(output);
        string file = Path.Combine(output, $"finding-{_findings}.txt");
        File.WriteAllText(file, $"{request.Method} {request.Path}\n{request.ContentType}\n{what}\n");
        File.WriteAllBytes(file + ".body", request.Body);
        Console.WriteLine($"FINDING {_findings}: {request.Method} {request.Path}: {what.Split('\n')[0]}\n  {file}");
    }
}
