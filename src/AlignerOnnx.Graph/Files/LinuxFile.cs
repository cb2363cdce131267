using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace AlignerOnnx.Graph;

/// <summary>Opens files by file descriptors: .NET follows links, waits at pipes, and does not tell a device from a file.</summary>
internal static partial class LinuxFile
{
    private const int CurrentFolder = -100;
    private const int NonBlocking = 0x800;
    private const int CloseOnExec = 0x80000;
    private const int NoEntry = 2;
    private const int AccessDenied = 13;
    private const int NotAFolder = 20;
    private const int NoDevice = 6;
    private const int LinkLoop = 40;
    private const int NameTooLong = 36;

    private static readonly bool OtherNumbers = RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64 or Architecture.Armv6 or Architecture.Ppc64le;

    private static int NoFollow => OtherNumbers ? 0x8000 : 0x20000;

    private static int Folder => OtherNumbers ? 0x4000 : 0x10000;

    public static SafeFileHandle Open(string path)
    {
        SafeFileHandle file = OpenAt(CurrentFolder, path, NonBlocking);
        return RequireOrdinary(file);
    }

    public static SafeFileHandle OpenInside(string folder, string[] parts)
    {
        SafeFileHandle at = OpenAt(CurrentFolder, folder, Folder);
        for (int i = 0; i < parts.Length; i++)
        {
            bool last = i == parts.Length - 1;
            using SafeFileHandle parent = at;
            at = OpenAt((int)parent.DangerousGetHandle(), parts[i], NoFollow | (last ? NonBlocking : Folder));
        }
        return RequireOrdinary(at);
    }

    private static SafeFileHandle OpenAt(int folder, string name, int flags)
    {
        int descriptor = OpenAtFolder(folder, name, flags | CloseOnExec);
        if (descriptor >= 0)
        {
            return new SafeFileHandle(descriptor, ownsHandle: true);
        }
        int error = Marshal.GetLastPInvokeError();
        throw error switch
        {
            NoEntry or NameTooLong => new FileNotFoundException(null, name),
            LinkLoop => new NotOrdinaryException("a link"),
            // With the flag for folders a link in the middle of the way is "not a folder".
            NotAFolder => new NotOrdinaryException("in a folder that is a link, or no folder"),
            NoDevice => new NotOrdinaryException("a socket or a device"),
            AccessDenied => new UnauthorizedAccessException(name),
            _ => new IOException($"Cannot open {name}: {Marshal.GetPInvokeErrorMessage(error)}"),
        };
    }

    private static SafeFileHandle RequireOrdinary(SafeFileHandle file)
    {
        string? odd = Kind(file) switch
        {
            0x8000 => null,
            0x1000 => "a pipe",
            0x2000 or 0x6000 => "a device",
            0x4000 => "a folder",
            0xC000 => "a socket",
            _ => "of an unknown kind",
        };
        if (odd is null)
        {
            return file;
        }
        file.Dispose();
        throw new NotOrdinaryException(odd);
    }

    /// <summary>The file's kind, the upper bits of its mode. statx has one layout on every processor, unlike stat.</summary>
    private static int Kind(SafeFileHandle file)
    {
        const int modeOffset = 28;
        const int kindMask = 0xF000;
        Span<byte> status = stackalloc byte[256];
        if (Status(file, "", flags: 0x1000, mask: 1, status) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }
        return MemoryMarshal.Read<ushort>(status[modeOffset..]) & kindMask;
    }

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenAtFolder(int folder, string name, int flags);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Status(SafeFileHandle file, string name, int flags, uint mask, Span<byte> status);
}
