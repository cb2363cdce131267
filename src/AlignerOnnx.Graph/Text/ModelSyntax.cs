using Onnx;

namespace AlignerOnnx.Graph.Text;

/// <summary>model ::= header? graph function*.</summary>
internal static class ModelSyntax
{
    public static ModelProto Parse(TextCursor cursor)
    {
        ModelProto model = new();
        HeaderSyntax.Parse(cursor, keyword => ParseEntry(cursor, keyword, model));
        model.Graph = GraphSyntax.Parse(cursor);
        while (!cursor.AtEnd)
        {
            model.Functions.Add(FunctionSyntax.Parse(cursor));
        }
        return model;
    }

    public static void Print(ModelProto model, TextOutput output)
    {
        HeaderSyntax.Print(output,
            ("ir_version", () => output.Write(model.IrVersion)),
            ("opset_import", () => HeaderSyntax.PrintOpsets(model.OpsetImport, output)),
            ("producer_name", model.HasProducerName ? () => output.Quoted(model.ProducerName) : null),
            ("producer_version", model.HasProducerVersion ? () => output.Quoted(model.ProducerVersion) : null),
            ("domain", model.HasDomain ? () => output.Quoted(model.Domain) : null),
            ("model_version", model.HasModelVersion ? () => output.Write(model.ModelVersion) : null),
            ("doc_string", model.HasDocString ? () => output.Quoted(model.DocString) : null),
            ("metadata_props", model.MetadataProps.Count > 0 ? () => output.List("[", model.MetadataProps, "]", entry => EntrySyntax.Print(entry, output)) : null));
        GraphSyntax.Print(model.Graph ?? throw new ModelRefusedException("The model holds no graph"), output);
        foreach (FunctionProto function in model.Functions)
        {
            output.Write("\n\n");
            FunctionSyntax.Print(function, output);
        }
        output.Write("\n");
    }

    private static bool ParseEntry(TextCursor cursor, string keyword, ModelProto model)
    {
        switch (keyword)
        {
            case "ir_version":
                model.IrVersion = cursor.Integer("the version, a number");
                return true;
            case "opset_import":
                HeaderSyntax.ParseOpsets(cursor, model.OpsetImport);
                return true;
            case "producer_name":
                model.ProducerName = cursor.String("the producer's name, a string");
                return true;
            case "producer_version":
                model.ProducerVersion = cursor.String("the producer's version, a string");
                return true;
            case "domain":
                model.Domain = cursor.String("the domain, a string");
                return true;
            case "model_version":
                model.ModelVersion = cursor.Integer("the version, a number");
                return true;
            case "doc_string":
                model.DocString = cursor.String("the documentation, a string");
                return true;
            case "metadata_props":
                cursor.TakeList('[', ']', () => model.MetadataProps.Add(EntrySyntax.Parse(cursor)));
                return true;
            default:
                return false;
        }
    }
}
