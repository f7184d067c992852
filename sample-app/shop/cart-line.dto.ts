import { IsIn, IsInt, Max, Min } from 'class-validator';
import { Type } from 'class-transformer';
import { MOST, PRODUCT_IDS, type ProductId } from './products.js';

/** How many of a product there shall be. Not how many more: a form that is sent twice must count once. */
export class CartLineDto {
  @IsIn(PRODUCT_IDS)
  readonly product!: ProductId;

  @Type(() => Number)
  @IsInt()
  @Min(0)
  @Max(MOST)
  readonly quantity!: number;
}
