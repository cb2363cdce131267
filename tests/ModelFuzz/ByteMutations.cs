namespace AlignerOnnx.ModelFuzz;

/// <summary>Changes bytes: what a damaged disk or an attack on the parser does.</summary>
internal static class ByteMutations
{
    public static byte[] Change(byte[] model, Random random)
    {
        List<byte> bytes = [.. model];
        for (int changes = 1 + random.Next(4); changes > 0 && bytes.Count > 0; changes--)
        {
            int at = random.Next(bytes.Count);
            int length = Math.Min(1 + random.Next(random.Next(3) == 0 ? 4096 : 8), bytes.Count - at);
            switch (random.Next(7))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes.RemoveRange(at, length);
                    break;
                case 3:
                    bytes.InsertRange(at, bytes.GetRange(at, length));
                    break;
                case 4 when random.Next(8) == 0:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
                case 5:
                    // A length or number of protobuf that claims the most.
                    bytes.InsertRange(at, (ReadOnlySpan<byte>)[0xFF, 0xFF, 0xFF, 0xFF, (byte)random.Next(16)]);
                    break;
                default:
                    byte[] noise = new byte[length];
                    random.NextBytes(noise);
                    bytes.InsertRange(at, noise);
                    break;
            }
        }
        return [.. bytes];
    }
}
