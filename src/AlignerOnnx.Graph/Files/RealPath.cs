namespace AlignerOnnx.Graph;

/// <summary>Paths with every link on the way followed.</summary>
internal static class RealPath
{
    /// <summary>Whether a path, of which the end need not exist, is that of a folder or leads into it.</summary>
    public static bool IsInside(string path, string folder)
    {
        string relative = Path.GetRelativePath(Of(folder), Of(path));
        return !Path.IsPathRooted(relative) && relative != ".." && !relative.StartsWith($"..{Path.DirectorySeparatorChar}", StringComparison.Ordinal);
    }

    private static string Of(string path)
    {
        string full = Path.GetFullPath(path);
        string real = Path.GetPathRoot(full)!;
        foreach (string part in full[real.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries))
        {
            real = Path.Combine(real, part);
            // A link that leads nowhere or back to itself does not exist.
            if (new DirectoryInfo(real) is { Exists: true, LinkTarget: not null } link)
            {
                real = Of(link.ResolveLinkTarget(returnFinalTarget: true)!.FullName);
            }
        }
        return real;
    }
}
