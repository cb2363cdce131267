using System.Buffers.Binary;
using System.Runtime.InteropServices;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>Reads in a library's header for which system and processor it was built: what a loader says about one of another kind helps nobody, and some loaders crash.</summary>
internal static class NativeImage
{
    private const int HeaderBytes = 4096;
    private static readonly Dictionary<int, Architecture> ElfMachines = new() { [3] = Architecture.X86, [40] = Architecture.Arm, [62] = Architecture.X64, [183] = Architecture.Arm64 };
    private static readonly Dictionary<int, Architecture> PortableMachines = new() { [0x14C] = Architecture.X86, [0x1C4] = Architecture.Arm, [0x8664] = Architecture.X64, [0xAA64] = Architecture.Arm64 };
    private static readonly Dictionary<int, Architecture> MachMachines = new() { [0x01000007] = Architecture.X64, [0x0100000C] = Architecture.Arm64 };

    /// <summary>Checks that the system can load a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="refused">Makes the exception of a reason.</param>
    public static void RequireLoadable(string path, Func<string, ModelRefusedException> refused)
    {
        if (!File.Exists(path))
        {
            throw refused("no such file");
        }
        (OSPlatform System, Architecture? Processor)? image = Read(path);
        if (image is not { } found)
        {
            throw refused("no native library");
        }
        // A file for several processors says nothing here; the loader takes the right part of it.
        if (!RuntimeInformation.IsOSPlatform(found.System) || (found.Processor ?? RuntimeInformation.ProcessArchitecture) != RuntimeInformation.ProcessArchitecture)
        {
            throw refused($"a library for {found.System} on {found.Processor}; this process is {RuntimeInformation.RuntimeIdentifier}");
        }
    }

    private static (OSPlatform System, Architecture? Processor)? Read(string path)
    {
        byte[] header = new byte[HeaderBytes];
        using FileStream stream = new(OrdinaryFile.Open(path), FileAccess.Read, bufferSize: 0);
        int length = stream.ReadAtLeast(header, header.Length, throwOnEndOfStream: false);
        return length < 64 ? null : BinaryPrimitives.ReadUInt32BigEndian(header) switch
        {
            0x7F454C46 => (OSPlatform.Linux, ElfMachines.TryGetValue(BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(18)), out Architecture found) ? found : null),
            0xCFFAEDFE => (OSPlatform.OSX, MachMachines.TryGetValue(BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(4)), out Architecture found) ? found : null),
            0xCAFEBABE => (OSPlatform.OSX, null),
            _ => ReadPortableExecutable(header),
        };
    }

    private static (OSPlatform System, Architecture? Processor)? ReadPortableExecutable(ReadOnlySpan<byte> header)
    {
        int start = BinaryPrimitives.ReadInt32LittleEndian(header[60..]);
        bool sound = header[..2].SequenceEqual("MZ"u8) && start is > 0 and < HeaderBytes - 6 && header.Slice(start, 4).SequenceEqual("PE\0\0"u8);
        return !sound ? null : (OSPlatform.Windows, PortableMachines.TryGetValue(BinaryPrimitives.ReadUInt16LittleEndian(header[(start + 4)..]), out Architecture found) ? found : null);
    }
}
