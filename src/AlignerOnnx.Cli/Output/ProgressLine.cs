using System.Globalization;
using AlignerOnnx.Serving;

namespace AlignerOnnx.Cli;

/// <summary>
/// One line that is rewritten in place on a terminal; elsewhere plain lines, few enough for a log.
/// The text is made only when it is shown, so reporting each training step costs nothing.
/// </summary>
internal sealed class ProgressLine(TextWriter writer, bool live, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan LiveInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan WorthALine = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private long? _shownAt;
    private int _width;
    private string? _last;

    /// <summary>Shows the text unless another was shown a moment ago.</summary>
    public void Report(Func<string> text)
    {
        lock (_gate)
        {
            if (_shownAt is long shown && time.GetElapsedTime(shown) < (live ? LiveInterval : PlainInterval))
            {
                return;
            }
            _shownAt = time.GetTimestamp();
            Show(text());
        }
    }

    /// <summary>Shows how far work has come, which ends the line when all is made; nothing of work that is over in a moment.</summary>
    public void Report(WorkProgress work)
    {
        if (work.Elapsed < WorthALine)
        {
            return;
        }
        if (work.Done < work.Count)
        {
            Report(() => Text(work));
        }
        else
        {
            Finish(Text(work));
        }
    }

    /// <summary>Shows the last text and ends the line.</summary>
    public void Finish(string text)
    {
        lock (_gate)
        {
            if (live || text != _last)
            {
                Show(text);
            }
            EndLine();
        }
    }

    /// <summary>Ends a line that an error or Ctrl-C left open, so that the next message starts on its own.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            EndLine();
        }
    }

    private static string Text(WorkProgress work) => string.Create(CultureInfo.InvariantCulture, $"{work.What} {work.Done}/{work.Count}  {work.Left:hh\\:mm\\:ss} left");

    private void Show(string text)
    {
        _last = text;
        if (live)
        {
            writer.Write('\r' + text.PadRight(_width));
            _width = text.Length;
        }
        else
        {
            writer.WriteLine(text);
        }
        writer.Flush();
    }

    private void EndLine()
    {
        if (live && _width > 0)
        {
            writer.WriteLine();
            _width = 0;
        }
    }
}
