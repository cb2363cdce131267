using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace AlignerOnnx.Serving;

/// <summary>The training tool as a process of its own at low priority: what it does to memory or itself leaves the server alone.</summary>
internal sealed partial class TrainingProcess : IDisposable
{
    private const int MostErrorLines = 40;
    private const int Terminate = 15;

    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly Queue<string> _errors = new();
    private readonly Action<string> _progress;

    private TrainingProcess(Process process, Action<string> progress)
    {
        _process = process;
        _progress = progress;
        process.OutputDataReceived += (_, line) => Collect(line.Data);
        process.ErrorDataReceived += (_, line) => CollectError(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>Its number and start time, which together name no other process.</summary>
    internal (int Number, long Started) Identity { get; private init; }

    /// <summary>What it wrote to standard output.</summary>
    internal string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    /// <summary>The last lines that it wrote to standard error.</summary>
    internal string Errors
    {
        get
        {
            lock (_errors)
            {
                return string.Join('\n', _errors);
            }
        }
    }

    /// <summary>Starts the tool.</summary>
    /// <param name="program">The program and its first arguments.</param>
    /// <param name="arguments">The other arguments.</param>
    /// <param name="progress">Gets each line of standard error.</param>
    /// <exception cref="IOException">The program cannot be started.</exception>
    internal static TrainingProcess Start(IReadOnlyList<string> program, IReadOnlyList<string> arguments, Action<string> progress)
    {
        ProcessStartInfo start = new(program[0], [.. program.Skip(1), .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
        };
        try
        {
            Process process = Process.Start(start) ?? throw new IOException($"{program[0]} did not start.");
            LowerPriority(process);
            return new TrainingProcess(process, progress) { Identity = (process.Id, StartOf(process)) };
        }
        catch (Win32Exception e)
        {
            throw new IOException($"The training program {program[0]} cannot be started: {e.Message}", e);
        }
    }

    /// <summary>Ends a process that an earlier server started, if it is still there.</summary>
    internal static void EndLeftover((int Number, long Started) identity)
    {
        try
        {
            using Process process = Process.GetProcessById(identity.Number);
            if (StartOf(process) == identity.Started)
            {
                process.Kill(entireProcessTree: true);
                process.WaitForExit();
            }
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or Win32Exception)
        {
            // It has ended.
        }
    }

    /// <summary>Waits for its end, with all that it wrote.</summary>
    internal async Task<int> WaitAsync(CancellationToken cancellation)
    {
        await _process.WaitForExitAsync(cancellation);
        return _process.ExitCode;
    }

    /// <summary>Asks it to stop where it can be resumed.</summary>
    internal void AskToStop()
    {
        if (OperatingSystem.IsWindows())
        {
            Kill();
        }
        else if (!_process.HasExited)
        {
            _ = Signal(_process.Id, Terminate);
        }
    }

    internal void Kill()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }
    }

    public void Dispose()
    {
        Kill();
        _process.Dispose();
    }

    private static void LowerPriority(Process process)
    {
        try
        {
            process.PriorityClass = ProcessPriorityClass.Idle;
        }
        catch (Exception e) when (e is Win32Exception or InvalidOperationException)
        {
            // It has ended already, or the system does not allow it: then it trains at the usual priority.
        }
    }

    private static long StartOf(Process process) => process.StartTime.ToUniversalTime().Ticks / TimeSpan.TicksPerSecond;

    private void Collect(string? line)
    {
        lock (_output)
        {
            _output.AppendLine(line);
        }
    }

    private void CollectError(string? line)
    {
        if (line is null)
        {
            return;
        }
        lock (_errors)
        {
            _errors.Enqueue(line);
            if (_errors.Count > MostErrorLines)
            {
                _errors.Dequeue();
            }
        }
        _progress(line);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Signal(int process, int signal);
}
