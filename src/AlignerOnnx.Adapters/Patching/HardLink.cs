using System.Runtime.InteropServices;

namespace AlignerOnnx.Adapters;

/// <summary>Makes hard links, which .NET 10 has no call for.</summary>
internal static partial class HardLink
{
    public static void Create(string existing, string link)
    {
        bool made = OperatingSystem.IsWindows() ? CreateHardLink(link, existing, 0) : LinkFile(existing, link) == 0;
        if (!made)
        {
            throw new IOException($"Cannot link {link} to {existing}: {Marshal.GetLastPInvokeErrorMessage()}. Use --weights copy.");
        }
    }

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int LinkFile(string existing, string link);

    [LibraryImport("kernel32", EntryPoint = "CreateHardLinkW", SetLastError = true, StringMarshalling = StringMarshalling.Utf16)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool CreateHardLink(string link, string existing, nint security);
}
