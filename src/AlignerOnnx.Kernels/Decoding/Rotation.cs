using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AlignerOnnx.Kernels;

/// <summary>The rotary embedding of one head: pairs of elements are turned by angles that its position chooses; what is behind the pairs stays. Without tables nothing is turned.</summary>
internal readonly unsafe struct Rotation
{
    private readonly bool _interleaved;

    /// <param name="cosines">[positions, pairs].</param>
    /// <param name="sines">The same shape.</param>
    /// <param name="positions">Positions that have angles.</param>
    /// <param name="pairs">Pairs that are turned, a multiple of 8.</param>
    /// <param name="interleaved">Whether the elements of a pair are neighbours; else they are at the same place of two halves.</param>
    public Rotation(float* cosines, float* sines, long positions, int pairs, bool interleaved)
    {
        Cosines = cosines;
        Sines = sines;
        Positions = positions;
        Pairs = pairs;
        _interleaved = interleaved;
    }

    public float* Cosines { get; }

    public float* Sines { get; }

    public long Positions { get; }

    public int Pairs { get; }

    /// <summary>Turns a head and multiplies it with a factor.</summary>
    /// <param name="head">The head.</param>
    /// <param name="position">Its position.</param>
    /// <param name="factor">The factor.</param>
    /// <param name="result">Where it goes; not the head itself.</param>
    /// <param name="size">Elements of the head, a multiple of 8.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Apply(float* head, long position, float factor, float* result, int size)
    {
        float* cosines = Cosines + (position * Pairs);
        float* sines = Sines + (position * Pairs);
        if (_interleaved)
        {
            for (int pair = 0; pair < Pairs; pair++)
            {
                (float a, float b) = (head[2 * pair] * factor, head[(2 * pair) + 1] * factor);
                result[2 * pair] = (a * cosines[pair]) - (b * sines[pair]);
                result[(2 * pair) + 1] = (b * cosines[pair]) + (a * sines[pair]);
            }
        }
        else
        {
            for (int pair = 0; pair < Pairs; pair += Vector256<float>.Count)
            {
                Vector256<float> a = Vector256.Load(head + pair) * factor, b = Vector256.Load(head + Pairs + pair) * factor;
                Vector256<float> cosine = Vector256.Load(cosines + pair), sine = Vector256.Load(sines + pair);
                ((a * cosine) - (b * sine)).Store(result + pair);
                ((b * cosine) + (a * sine)).Store(result + Pairs + pair);
            }
        }
        for (int rest = 2 * Pairs; rest < size; rest++)
        {
            result[rest] = head[rest] * factor;
        }
    }
}
