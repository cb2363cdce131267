using Microsoft.Win32.SafeHandles;

namespace AlignerOnnx.Graph;

/// <summary>
/// Opens files that a stranger may have laid: only ordinary files, never a pipe that blocks, a device that never ends, or a folder.
/// On Linux what was checked is what is read, whoever changes the folder in between: every step of the way is opened by itself and no link is followed.
/// </summary>
public static class OrdinaryFile
{
    /// <summary>Opens a file that the user named; the name itself may be a link.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ModelRefusedException">It is missing, cannot be read, or is not an ordinary file.</exception>
    public static SafeFileHandle Open(string path) => Guard(path, path, () => OperatingSystem.IsLinux()
        ? LinuxFile.Open(path)
        : RequireOrdinary(path));

    /// <summary>Opens a file inside a folder without following links on the way below the folder.</summary>
    /// <param name="folder">The folder; its own name may be a link.</param>
    /// <param name="name">The file's name relative to the folder, parts separated by '/'.</param>
    /// <param name="where">What names the file, for the refusal.</param>
    /// <exception cref="ModelRefusedException">It is missing, cannot be read, a link, or not an ordinary file.</exception>
    public static SafeFileHandle OpenInside(string folder, string name, string where) => Guard(Path.Combine(folder, name), where, () => OperatingSystem.IsLinux()
        ? LinuxFile.OpenInside(folder, name.Split('/'))
        : RequireNoLink(folder, name.Split('/')));

    private static SafeFileHandle Guard(string path, string where, Func<SafeFileHandle> open)
    {
        try
        {
            return open();
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ModelRefusedException("A file of the model is missing", where, $"no file {path}", "every file that the model names", "copy the whole model folder, the data files too", missing);
        }
        catch (NotOrdinaryException odd)
        {
            throw new ModelRefusedException($"A file of the model is {odd.Message}", where, path, "an ordinary file", "put the file itself in its place", odd);
        }
        catch (UnauthorizedAccessException denied)
        {
            throw new ModelRefusedException("A file of the model cannot be read", where, $"{path}: access denied", "a file that you may read", "change the permissions of the file or its folder", denied);
        }
    }

    private static SafeFileHandle RequireOrdinary(string path)
    {
        if ((File.GetAttributes(path) & (FileAttributes.Directory | FileAttributes.Device)) != 0)
        {
            throw new NotOrdinaryException("a folder or a device");
        }
        return File.OpenHandle(path);
    }

    private static SafeFileHandle RequireNoLink(string folder, string[] parts)
    {
        string path = folder;
        foreach (string part in parts)
        {
            path = Path.Combine(path, part);
            if (new FileInfo(path).LinkTarget is not null)
            {
                throw new NotOrdinaryException("a link");
            }
        }
        return RequireOrdinary(path);
    }
}

/// <summary>A file that is there, but is a link, a folder, a pipe or a device; the message says which.</summary>
internal sealed class NotOrdinaryException(string kind) : IOException(kind);
