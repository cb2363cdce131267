using System.Numerics;

namespace AlignerOnnx.Training;

/// <summary>
/// A generator whose numbers are the same on every machine and .NET version, unlike <see cref="Random"/>: xoshiro256** (Blackman and Vigna, 2018), its state
/// filled by SplitMix64 from the seed; normal numbers by the Box-Muller transform.
/// </summary>
public sealed class DeterministicRandom
{
    private readonly ulong[] _state = new ulong[4];
    private double? _spare;

    /// <summary>Starts the sequence of a seed.</summary>
    /// <param name="seed">Any value.</param>
    public DeterministicRandom(ulong seed)
    {
        for (int i = 0; i < 4; i++)
        {
            _state[i] = SplitMix64(ref seed);
        }
    }

    /// <summary>Starts from a full state of xoshiro256**.</summary>
    internal DeterministicRandom(ulong s0, ulong s1, ulong s2, ulong s3) => _state = [s0, s1, s2, s3];

    /// <summary>The next 64 bits.</summary>
    /// <returns>A uniform number of 0 .. 2^64 - 1.</returns>
    public ulong NextUInt64()
    {
        ulong result = BitOperations.RotateLeft(_state[1] * 5, 7) * 9;
        ulong shifted = _state[1] << 17;
        _state[2] ^= _state[0];
        _state[3] ^= _state[1];
        _state[1] ^= _state[2];
        _state[0] ^= _state[3];
        _state[2] ^= shifted;
        _state[3] = BitOperations.RotateLeft(_state[3], 45);
        return result;
    }

    /// <summary>A uniform number of [0, 1) with 53 random bits.</summary>
    /// <returns>The number.</returns>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1UL << 53));

    /// <summary>A uniform integer without bias.</summary>
    /// <param name="bound">The exclusive upper end, 1 or more.</param>
    /// <returns>0 .. <paramref name="bound"/> - 1.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bound"/> is below 1.</exception>
    public int NextInt(int bound)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bound, 1);
        ulong size = (ulong)bound;
        // The lowest 2^64 mod size values would make the first remainders a little likelier.
        ulong first = (0UL - size) % size;
        ulong value = NextUInt64();
        while (value < first)
        {
            value = NextUInt64();
        }
        return (int)(value % size);
    }

    /// <summary>A number of the normal distribution N(0, 1).</summary>
    /// <returns>The number.</returns>
    public double NextNormal()
    {
        if (_spare is double spare)
        {
            _spare = null;
            return spare;
        }
        // 1 - u lies in (0, 1], so its logarithm is finite.
        double radius = Math.Sqrt(-2 * Math.Log(1 - NextDouble()));
        double angle = 2 * Math.PI * NextDouble();
        _spare = radius * Math.Sin(angle);
        return radius * Math.Cos(angle);
    }

    /// <summary>A random order (Fisher-Yates).</summary>
    /// <param name="count">How many items, 0 or more.</param>
    /// <returns>The numbers 0 .. <paramref name="count"/> - 1, each once.</returns>
    public int[] NextPermutation(int count)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        for (int i = count - 1; i > 0; i--)
        {
            int other = NextInt(i + 1);
            (order[i], order[other]) = (order[other], order[i]);
        }
        return order;
    }

    /// <summary>One step of SplitMix64 (Steele, Lea and Flood, 2014).</summary>
    internal static ulong SplitMix64(ref ulong state)
    {
        state += 0x9E3779B97F4A7C15;
        ulong mixed = state;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return mixed ^ (mixed >> 31);
    }
}
