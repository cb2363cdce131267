using Onnx;

namespace AlignerOnnx.ModelFuzz;

/// <summary>Changes what a model says of itself.</summary>
internal static class HeaderMutations
{
    private static readonly string[] Keys = ["aligner.slots", "", "key"];
    private static readonly string[] Texts = ["one-token", "many-token", "portable", "prefix", "", "x"];

    public static void Change(Picker pick)
    {
        ModelProto model = pick.Model;
        switch (pick.Next(8))
        {
            case 0:
                model.IrVersion = pick.Once(2) ? pick.Next(15) : pick.Number();
                break;
            case < 3 when pick.From(model.OpsetImport) is { } import:
                import.Version = pick.Once(4) ? pick.Number() : pick.Next(28);
                break;
            case 3:
                model.OpsetImport.Add(new OperatorSetIdProto { Domain = pick.Once(2) ? "com.microsoft" : "ai.onnx", Version = pick.Next(25) });
                break;
            case 4 when pick.From(model.OpsetImport) is { } import:
                model.OpsetImport.Remove(import);
                break;
            case 5:
                model.MetadataProps.Add(new StringStringEntryProto { Key = Keys[pick.Next(Keys.Length)], Value = Texts[pick.Next(Texts.Length)] });
                break;
            case 6:
                pick.Graph.SparseInitializer.Add(new SparseTensorProto { Values = new TensorProto { Name = pick.Name(), DataType = 1 } });
                break;
            default:
                pick.Graph.Name = pick.OddName();
                break;
        }
    }
}
