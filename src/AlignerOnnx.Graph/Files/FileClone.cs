using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace AlignerOnnx.Graph;

/// <summary>
/// Copies large files without their bytes passing through this process: cloned copy-on-write where the file system can, else copied inside the kernel.
/// Holes stay holes: a sparse file of 40 GB does not become one that takes 40 GB.
/// </summary>
public static partial class FileClone
{
    private const nuint CloneRequest = 0x40049409; // FICLONE
    private const int SeekSet = 0;
    private const int SeekData = 3;
    private const int SeekHole = 4;
    private const int Interrupted = 4;
    private const int NoData = 6;

    /// <summary>Copies an open file to a new file.</summary>
    /// <param name="source">The file to copy, open for reading.</param>
    /// <param name="sourcePath">Its path, which is used where the system copies by path only.</param>
    /// <param name="destination">The file to make; it must not exist.</param>
    /// <exception cref="IOException">The destination exists, or the disk is full.</exception>
    public static void Copy(SafeFileHandle source, string sourcePath, string destination)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (!OperatingSystem.IsLinux() || !Environment.Is64BitProcess)
        {
            File.Copy(sourcePath, destination);
            File.SetAttributes(destination, File.GetAttributes(destination) & ~FileAttributes.ReadOnly);
            return;
        }
        using SafeFileHandle target = File.OpenHandle(destination, FileMode.CreateNew, FileAccess.ReadWrite);
        if (Control(target, CloneRequest, source) != 0)
        {
            long length = RandomAccess.GetLength(source);
            RandomAccess.SetLength(target, length);
            CopyExtents(source, target, length);
        }
    }

    private static void CopyExtents(SafeFileHandle source, SafeFileHandle target, long length)
    {
        long position = 0;
        while (position < length)
        {
            long first = Seek(source, position, SeekData);
            if (first < 0 && Marshal.GetLastPInvokeError() == NoData)
            {
                return;
            }
            // A file system that knows no holes has one extent: the file.
            first = Math.Max(first, position);
            long end = Seek(source, first, SeekHole);
            position = end > first ? Math.Min(end, length) : length;
            CopyExtent(source, target, first, position - first);
        }
    }

    private static void CopyExtent(SafeFileHandle source, SafeFileHandle target, long position, long count)
    {
        long from = position;
        long to = position;
        bool ranges = true;
        while (count > 0)
        {
            nint copied = ranges ? CopyRange(source, ref from, target, ref to, (nuint)count, 0) : Send(source, target, ref from, count);
            int error = copied < 0 ? Marshal.GetLastPInvokeError() : 0;
            if (copied == 0)
            {
                throw new IOException("The file became shorter while it was copied.");
            }
            if (copied > 0)
            {
                count -= copied;
            }
            else if (ranges && error != Interrupted)
            {
                // Older kernels copy ranges within one file system only.
                ranges = false;
            }
            else if (error != Interrupted)
            {
                throw new IOException($"The file cannot be copied: {Marshal.GetPInvokeErrorMessage(error)}");
            }
        }
    }

    private static nint Send(SafeFileHandle source, SafeFileHandle target, ref long position, long count)
    {
        Seek(target, position, SeekSet);
        return SendFile(target, source, ref position, (nuint)count);
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(SafeFileHandle target, nuint request, SafeFileHandle source);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    private static partial long Seek(SafeFileHandle file, long offset, int from);

    [LibraryImport("libc", EntryPoint = "copy_file_range", SetLastError = true)]
    private static partial nint CopyRange(SafeFileHandle source, ref long from, SafeFileHandle target, ref long to, nuint count, uint flags);

    [LibraryImport("libc", EntryPoint = "sendfile", SetLastError = true)]
    private static partial nint SendFile(SafeFileHandle target, SafeFileHandle source, ref long position, nuint count);
}
