using System.Text;

namespace AlignerOnnx.GenAI;

/// <summary>Passes text on as it comes, but keeps back what may be the beginning of a stop string.</summary>
internal sealed class StopFilter(IReadOnlyList<string> stops)
{
    private readonly StringBuilder _held = new();

    /// <summary>Whether a stop string has appeared; nothing is passed on from then.</summary>
    internal bool Stopped { get; private set; }

    /// <summary>Takes the next piece and returns what is certain to stand before any stop string.</summary>
    internal string Push(string piece)
    {
        if (stops.Count == 0)
        {
            return piece;
        }
        _held.Append(piece);
        string text = _held.ToString();
        _held.Clear();
        int stop = FirstStop(text);
        if (stop >= 0)
        {
            Stopped = true;
            return text[..stop];
        }
        int safe = text.Length - LongestPossibleBeginning(text);
        _held.Append(text, safe, text.Length - safe);
        return text[..safe];
    }

    /// <summary>What was kept back, once it is known that nothing follows.</summary>
    internal string Flush()
    {
        string rest = _held.ToString();
        _held.Clear();
        return rest;
    }

    private int FirstStop(string text)
    {
        int first = -1;
        foreach (string stop in stops)
        {
            int at = text.IndexOf(stop, StringComparison.Ordinal);
            first = at >= 0 && (first < 0 || at < first) ? at : first;
        }
        return first;
    }

    private int LongestPossibleBeginning(string text)
    {
        int longest = 0;
        foreach (string stop in stops)
        {
            for (int length = Math.Min(stop.Length - 1, text.Length); length > longest; length--)
            {
                if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length)))
                {
                    longest = length;
                }
            }
        }
        return longest;
    }
}
