using System.Security.Cryptography;
using System.Text;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>
/// Says whether two models are the same for an adapter: SHA-256 over the architecture and the stored bytes of the key, value and output projections of the
/// adapted layers (of a packed projection its query rows too). Patching does not change it; another quantisation does. It reads all of these weights, gigabytes of a large model,
/// so it is computed where they are read anyway (an adapter is trained or compiled), never when a model is patched.
/// </summary>
public static class BaseFingerprint
{
    /// <summary>Computes the fingerprint.</summary>
    /// <param name="sites">All attention sites of the model.</param>
    /// <param name="startLayer">The first adapted layer.</param>
    /// <returns>64 lower-case hexadecimal digits.</returns>
    public static string Of(IReadOnlyList<AttentionSite> sites, int startLayer)
    {
        ArgumentNullException.ThrowIfNull(sites);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{Architecture.Of(sites, "the model")}; from layer {startLayer}"));
        foreach (AttentionSite site in sites.Skip(startLayer))
        {
            foreach (Projection projection in new[] { site.Key.Projection, site.Value.Projection, site.Output }.Distinct())
            {
                Append(hash, projection);
            }
            foreach (Value? vector in new[] { site.Key.LateBias?.Vector, site.Value.LateBias?.Vector, site.KeyNormalization?.Weight }.Distinct())
            {
                Append(hash, vector);
            }
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void Append(IncrementalHash hash, Projection projection)
    {
        hash.AppendData(Encoding.UTF8.GetBytes($"{projection.Node.OpType} {projection.InputSize} {projection.OutputSize}"));
        if (projection.Matrix is { } matrix)
        {
            foreach (Tensor tensor in matrix.Tensors)
            {
                hash.AppendData(tensor.ReadBytes());
            }
        }
        else
        {
            foreach (Value? input in projection.Node.Inputs.Skip(1).Where(input => input != projection.Bias))
            {
                Append(hash, input);
            }
        }
        Append(hash, projection.Bias);
        foreach (LowRankUpdate update in projection.Updates)
        {
            hash.AppendData(BitConverter.GetBytes(update.Factor));
            Append(hash, update.Down);
            Append(hash, update.Up);
        }
    }

    private static void Append(IncrementalHash hash, Value? constant)
    {
        if (Constants.Of(constant) is { } tensor)
        {
            tensor.ReadParts(hash.AppendData);
        }
    }
}
