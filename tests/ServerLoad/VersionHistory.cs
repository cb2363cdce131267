namespace AlignerOnnx.ServerLoad;

/// <summary>Which version a name meant when: each change became visible at some moment between its request and its answer.</summary>
internal sealed class VersionHistory
{
    private readonly List<(long Asked, long Confirmed, int Version)> _changes = [];

    internal int Current => _changes[^1].Version;

    internal void Changed(long asked, long confirmed, int version) => _changes.Add((asked, confirmed, version));

    /// <summary>Whether the version can have been current at some moment from one time to another.</summary>
    internal bool WasCurrent(int version, long from, long to)
    {
        // The last change that was confirmed before the time began, and all that were asked for before it ended.
        int index = _changes.BinarySearch((long.MaxValue, from, int.MaxValue), Comparer<(long Asked, long Confirmed, int Version)>.Create((a, b) => a.Confirmed.CompareTo(b.Confirmed)));
        int first = Math.Max(0, (index < 0 ? ~index : index) - 1);
        for (int i = first; i < _changes.Count && _changes[i].Asked <= to; i++)
        {
            if (_changes[i].Version == version)
            {
                return true;
            }
        }
        return false;
    }
}
