namespace AlignerOnnx.Graph;

/// <summary>
/// Estimates what an .onnx file takes in memory before it is parsed: an empty node takes two bytes in the file and a thousand when it is linked.
/// Walks the protobuf wire format without building anything; payloads are skipped. Damage is left for the parser to report.
/// </summary>
internal static class MemoryEstimate
{
    /// <summary>The most that a graph may take: the graph of a 70B model takes a hundredth of it.</summary>
    public const long MaximumBytes = 1L << 30;

    private const int MaximumDepth = 100;
    private const int FieldCost = 64;
    private const int PackedCost = 8;

    /// <summary>What a message costs, parsed and linked, and the messages inside it by field number.</summary>
    private sealed record Message(int Cost)
    {
        public Dictionary<int, Message> Fields { get; } = [];

        /// <summary>Fields of packed numbers: one byte in the file can be eight in memory.</summary>
        public HashSet<int> Packed { get; init; } = [];
    }

    private static readonly Message Model = Schema();

    /// <summary>Refuses a file whose graph would not fit.</summary>
    /// <exception cref="ModelRefusedException">The estimate is above <see cref="MaximumBytes"/>.</exception>
    public static void RequireModest(Stream stream, string file)
    {
        try
        {
            Walk(new Reader(stream), Model, stream.Length, MaximumDepth);
        }
        catch (TooLargeException)
        {
            throw new ModelRefusedException("The model's graph is too large", file, $"more than {MaximumBytes >> 20} MB once it is read, from a file of {stream.Length} bytes", "the graph of a language model, weights beside it",
                "export the model with external data; do not use this file unless you know who made it");
        }
    }

    private static void Walk(Reader reader, Message message, long end, int depth)
    {
        reader.Charge(message.Cost);
        while (reader.Position < end && reader.TryVarint(out ulong tag))
        {
            reader.Charge(FieldCost);
            switch (tag & 7)
            {
                case 0 when reader.TryVarint(out _):
                    break;
                case 1 when reader.TrySkip(8):
                    break;
                case 5 when reader.TrySkip(4):
                    break;
                // The length itself may reach behind the end: what is left is negative then.
                case 2 when reader.TryVarint(out ulong length) && length <= (Int128)(end - reader.Position):
                    WalkPayload(reader, message, (int)(tag >> 3), reader.Position + (long)length, depth);
                    break;
                default:
                    return;
            }
        }
    }

    private static void WalkPayload(Reader reader, Message message, int field, long end, int depth)
    {
        if (message.Packed.Contains(field))
        {
            reader.Charge((end - reader.Position) * PackedCost);
        }
        else if (depth > 0 && message.Fields.TryGetValue(field, out Message? inner))
        {
            Walk(reader, inner, end, depth - 1);
        }
        reader.Position = end;
    }

    private static Message Schema()
    {
        Message entry = new(64);
        Message type = new(128);
        type.Fields[1] = type.Fields[4] = type.Fields[5] = type.Fields[8] = type.Fields[9] = type;
        type.Fields[2] = new Message(64) { Fields = { [1] = new Message(64), [2] = type } };
        Message declaration = new(128) { Fields = { [2] = type, [4] = entry } };
        Message tensor = new(800) { Packed = [1, 4, 5, 7, 10, 11], Fields = { [13] = entry, [16] = entry } };
        Message sparse = new(128) { Packed = [3], Fields = { [1] = tensor, [2] = tensor } };
        Message attribute = new(450) { Packed = [7, 8] };
        Message node = new(1000) { Fields = { [5] = attribute, [9] = entry } };
        Message graph = new(1000) { Fields = { [1] = node, [5] = tensor, [15] = sparse, [11] = declaration, [12] = declaration, [13] = declaration, [16] = entry } };
        foreach ((int field, Message message) in ((int, Message)[])[(5, tensor), (10, tensor), (6, graph), (11, graph), (22, sparse), (23, sparse), (14, type), (15, type)])
        {
            attribute.Fields[field] = message;
        }
        Message function = new(500) { Fields = { [7] = node, [11] = attribute, [9] = entry, [12] = declaration, [14] = entry } };
        return new Message(0) { Fields = { [7] = graph, [8] = entry, [14] = entry, [25] = function } };
    }

    /// <summary>Reads numbers from a stream, jumps over payloads, and adds costs up.</summary>
    private sealed class Reader(Stream stream)
    {
        private readonly long _length = stream.Length;
        private long _cost;

        public long Position
        {
            get => stream.Position;
            set => stream.Position = value;
        }

        public void Charge(long cost)
        {
            _cost += cost;
            if (_cost > MaximumBytes)
            {
                throw new TooLargeException();
            }
        }

        public bool TryVarint(out ulong value)
        {
            value = 0;
            for (int shift = 0; shift < 64; shift += 7)
            {
                int next = stream.ReadByte();
                if (next < 0)
                {
                    return false;
                }
                value |= (ulong)(next & 0x7F) << shift;
                if (next < 0x80)
                {
                    return true;
                }
            }
            return false;
        }

        public bool TrySkip(int count)
        {
            Position += count;
            return Position <= _length;
        }
    }

    private sealed class TooLargeException : Exception;
}
