using System.Security.Cryptography;
using System.Text;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>
/// Says whether two models are the same for an adapter: SHA-256 over the architecture and the stored bytes of the key, value and output projections of the
/// adapted layers (of a packed projection its query rows too). Patching does not change it; another quantisation does.
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
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void Append(IncrementalHash hash, Projection projection)
    {
        hash.AppendData(Encoding.UTF8.GetBytes($"{projection.Node.OpType} {projection.InputSize} {projection.OutputSize}"));
        foreach (Tensor tensor in TensorsOf(projection))
        {
            hash.AppendData(tensor.ReadBytes());
        }
    }

    private static IEnumerable<Tensor> TensorsOf(Projection projection)
    {
        IEnumerable<Tensor> weight = projection.Matrix?.Tensors ?? projection.Node.Inputs.Skip(1).Where(value => value != projection.Bias).Select(value => value?.Initializer).OfType<Tensor>();
        return projection.Bias?.Initializer is { } bias ? weight.Append(bias) : weight;
    }
}
