namespace AlignerOnnx.GenAI;

/// <summary>How many answers each of some batches has, so that the one with the fewest takes the next.</summary>
internal sealed class BatchLoads(int batches)
{
    private readonly int[] _loads = new int[batches];

    /// <summary>Says how many answers a batch has; null where it takes none.</summary>
    internal void Report(int batch, int? answers) => Volatile.Write(ref _loads[batch], answers ?? int.MaxValue);

    /// <summary>Whether no batch has fewer answers than this one.</summary>
    internal bool IsLeast(int batch)
    {
        int own = Volatile.Read(ref _loads[batch]);
        for (int other = 0; other < _loads.Length; other++)
        {
            if (Volatile.Read(ref _loads[other]) < own)
            {
                return false;
            }
        }
        return true;
    }
}
