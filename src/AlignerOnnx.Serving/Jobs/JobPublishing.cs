namespace AlignerOnnx.Serving;

/// <summary>Publishes what jobs make. A key that may not publish adapters may have jobs of new names, and of names that only jobs of such keys have published under.</summary>
internal static class JobPublishing
{
    private const string OpenPrefix = "job:";

    /// <summary>What versions say of where they are from.</summary>
    internal static string OriginOf(Job job) => $"{(job.MayReplaceAny ? "admin-job:" : OpenPrefix)}{job.Id}";

    /// <summary>Whether a version leaves its name open to the jobs of every key.</summary>
    internal static bool LeavesNameOpen(AdapterVersion version) => version.Origin.StartsWith(OpenPrefix, StringComparison.Ordinal);

    /// <exception cref="ApiException">The job may not publish under this name.</exception>
    internal static void Require(AdapterRegistry adapters, string name, bool mayReplaceAny)
    {
        if (!mayReplaceAny && adapters.Find(name) is { } present && !present.Versions.Values.All(LeavesNameOpen))
        {
            throw new ApiException(StatusCodes.Status403Forbidden, $"The adapter '{name}' has versions of an admin; a job that publishes another needs a key of the role admin.", "metadata.adapter", "insufficient_role");
        }
    }

    /// <summary>Publishes an adapter of a job; asks again whether it may, since the name may have been taken while it trained.</summary>
    /// <inheritdoc cref="Require"/>
    internal static AdapterVersion Publish(ServerParts parts, Job job, string name, string folder)
    {
        lock (parts.Blobs.Changes)
        {
            Require(parts.Adapters, name, job.MayReplaceAny);
            return parts.Adapters.Publish(name, folder, OriginOf(job));
        }
    }
}
