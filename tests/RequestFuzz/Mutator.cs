using System.Text;

namespace AlignerOnnx.RequestFuzz;

/// <summary>Changes bodies: single bytes and runs of them, and in JSON whole values, which reach further than broken syntax does.</summary>
internal sealed class Mutator(Random random)
{
    private static readonly byte[][] Values =
    [
        .. new[]
        {
            "null", "true", "false", "0", "-1", "1e999", "-0.0", "1e-320", "2147483648", "9223372036854775808", "\"\"", "\"a\"", "\"@\"", "\"sample@\"", "\"sample@999999999999\"", "\"\\u0000\"", "\"\\ud800\"",
            "[]", "[null]", "[[]]", "{}", "{\"a\":{}}", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "[1,\"a\",{}]", "\"file-\"", "\"auto\"", "\"../../etc/passwd\"", "NaN",
        }.Select(Encoding.UTF8.GetBytes),
    ];

    internal byte[] Mutate(byte[] body, bool json)
    {
        List<byte> changed = [.. body];
        int changes = 1 + random.Next(4);
        for (int i = 0; i < changes && changed.Count > 0; i++)
        {
            if (json && random.Next(3) > 0)
            {
                ReplaceValue(changed);
            }
            else
            {
                ChangeBytes(changed);
            }
        }
        return [.. changed];
    }

    /// <summary>Puts an odd value in the place of a value, found by the characters around it.</summary>
    private void ReplaceValue(List<byte> body)
    {
        int start = body.IndexOf((byte)":,["[random.Next(3)], random.Next(body.Count)) + 1;
        if (start <= 0)
        {
            return;
        }
        int end = start;
        for (int depth = 0; end < body.Count; end++)
        {
            char at = (char)body[end];
            depth += at is '{' or '[' ? 1 : at is '}' or ']' ? -1 : 0;
            if (depth < 0 || (depth == 0 && at == ','))
            {
                break;
            }
        }
        body.RemoveRange(start, end - start);
        body.InsertRange(start, Values[random.Next(Values.Length)]);
    }

    private void ChangeBytes(List<byte> body)
    {
        int at = random.Next(body.Count);
        int length = Math.Min(1 + random.Next(random.Next(4) == 0 ? 64 : 4), body.Count - at);
        switch (random.Next(6))
        {
            case 0:
                body[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                body[at] = (byte)random.Next(256);
                break;
            case 2:
                body.RemoveRange(at, length);
                break;
            case 3:
                body.InsertRange(at, body.GetRange(at, length));
                break;
            case 4:
                body.RemoveRange(at, body.Count - at);
                break;
            default:
                byte[] noise = new byte[length];
                random.NextBytes(noise);
                body.InsertRange(at, noise);
                break;
        }
    }
}
