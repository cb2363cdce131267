using Google.Protobuf;
using Onnx;

namespace AlignerOnnx.ModelFuzz;

/// <summary>Changes a model in one to four places: fields of its messages, its graph, or bytes of its file.</summary>
internal sealed class Mutator(Random random, IReadOnlyList<Seed> others)
{
    public byte[] Mutate(byte[] model)
    {
        if (random.Next(20) == 0)
        {
            return ByteMutations.Change(model, random);
        }
        ModelProto proto = ModelProto.Parser.ParseFrom(model);
        Picker pick = new(random, proto);
        for (int changes = Math.Min(1 + random.Next(4), 1 + random.Next(4)); changes > 0; changes--)
        {
            switch (random.Next(16))
            {
                case < 3:
                    AttributeMutations.Change(pick);
                    break;
                case < 6:
                    NodeMutations.Change(pick);
                    break;
                case < 9:
                    TensorMutations.Change(pick);
                    break;
                case < 12:
                    GraphMutations.Change(pick);
                    break;
                case 12:
                    NestingMutations.Change(pick);
                    break;
                case 13:
                    HeaderMutations.Change(pick);
                    break;
                case 14:
                    QuantisationMutations.Change(pick);
                    break;
                default:
                    GraphMutations.Splice(pick, ModelProto.Parser.ParseFrom(others[random.Next(others.Count)].Model));
                    break;
            }
        }
        byte[] bytes = proto.ToByteArray();
        return random.Next(30) == 0 ? ByteMutations.Change(bytes, random) : bytes;
    }
}
